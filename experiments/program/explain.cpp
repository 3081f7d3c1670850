#include "experiments/program/explain.hpp"

#include <algorithm>
#include <vector>

#include "experiments/program/part_list.hpp"
#include "experiments/program/vocabulary.hpp"

namespace shoal {
namespace {

std::string first_sentence(std::string text) {
  for (char& c : text) c = c == '\n' ? ' ' : c;
  const std::size_t end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

bool is_part(const Entry& entry) { return entry.kind != "section" && entry.kind != "key"; }

// The entry on the command line and in a file.
std::string example_of(const Entry& entry, const std::vector<Declared>& settings) {
  if (entry.name == "grid") {
    return "[grid]\nstrategy = [\"fed_avg\", {name = \"fed_prox\", mu = 0.1}]\n\"planner.dropout\" = [0, 0.1]\nseed = "
           "[1, 2, 3]\n";
  }
  if (entry.kind == "key") return fmt::format("{} = {}\n", entry.name, settings.front().fallback);
  const Declared* setting = nullptr;  // one to show: the first but the name
  for (const Declared& one : settings) {
    if (one.key != "name" && !setting) setting = &one;
  }
  const std::string assignment = setting ? fmt::format("{} = {}", setting->key, setting->fallback) : "";
  if (!is_part(entry) && setting) return fmt::format("[{}]\n{}\n", entry.section, assignment);
  if (!is_part(entry)) {  // a section that only names a part, or several
    const std::vector<AnyPart> parts = all_parts();
    const std::string first = fmt::format("\"{}\"", std::ranges::find(parts, entry.section, &AnyPart::section)->name);
    return fmt::format("{} = {}\n", entry.section, takes_list(entry.section) ? "[" + first + "]" : first);
  }
  const std::string table =
      setting ? fmt::format("{{name = \"{}\", {}}}", entry.name, assignment) : fmt::format("\"{}\"", entry.name);
  return fmt::format("{} = {}\n", entry.section, takes_list(entry.section) ? "[" + table + "]" : table);
}

std::string describe(const Entry& entry) {
  const std::vector<Declared> settings = entry.declared();
  std::string text = fmt::format("{} ({})\n\n{}\n", entry.name, entry.kind, entry.about);
  text += entry.kind == "key" ? "\n" : fmt::format("\n[{}]\n", entry.section);
  if (is_part(entry)) text += fmt::format("  {:<18} = {:<12}\n", "name", fmt::format("\"{}\"", entry.name));
  for (const Declared& setting : settings) {
    if (is_part(entry) && setting.key == "name") continue;
    text += fmt::format("  {:<18} = {:<12} # {} ({})\n", setting.key, setting.fallback, setting.meaning, setting.type);
  }
  text += "\nExample:\n\n";
  std::string example = example_of(entry, settings);
  for (std::size_t at = 0; at < example.size(); at = example.find('\n', at) + 1) example.insert(at, "  ");
  return text + example;
}

std::vector<std::string> names_of(const Entry& entry) {
  std::vector<std::string> names{entry.name};
  if (entry.kind == "section" && entry.section != entry.name) names.push_back(entry.section);
  return names;
}

// The entries with this name; of "local.rate" the section with this setting alone. UserError when there is none.
std::vector<Entry> find_entries(const std::string& name) {
  std::vector<Entry> found;
  std::vector<std::string> known;
  const std::size_t dot = name.rfind('.');
  for (const Entry& entry : vocabulary()) {
    const std::vector<std::string> own = names_of(entry);
    known.insert(known.end(), own.begin(), own.end());
    if (std::ranges::find(own, name) != own.end()) found.push_back(entry);
    if (dot == std::string::npos || entry.section != name.substr(0, dot) || entry.kind == "key") continue;
    std::vector<Declared> settings = entry.declared();
    std::erase_if(settings, [&](const Declared& setting) { return setting.key != name.substr(dot + 1); });
    if (settings.empty()) continue;
    found.push_back(entry);
    found.back().declared = [settings] { return settings; };
  }
  if (!found.empty()) return found;
  const std::string near = nearest(name, known);
  user_error("there is no part called '{}'. {}", name,
             near.empty() ? "See 'shoal list'." : fmt::format("The nearest is '{}'.", near));
}

}  // namespace

std::string list_parts() {
  std::string text, heading;
  for (const Entry& entry : vocabulary()) {
    if (!entry.is_listed) continue;
    const std::string own = is_part(entry) ? fmt::format("{}   [{}]\n", entry.kind, entry.section) : entry.kind + "\n";
    if (own != heading) text += fmt::format("{}{}", text.empty() ? "" : "\n", own);
    heading = own;
    text += fmt::format("  {:<20} {}\n", entry.name, first_sentence(entry.about));
  }
  return text + "\nshoal explain NAME shows a part's source and settings.\n";
}

Json parts_json() {
  Json list = Json::array();
  for (const Entry& entry : vocabulary()) {
    if (!entry.is_listed) continue;
    list.push_back({{"kind", entry.kind}, {"section", entry.section}, {"name", entry.name}, {"about", entry.about}});
  }
  return list;
}

std::string parts_page() {
  std::string text =
      "# Parts\n\nMade by `shoal list --markdown`. `shoal explain NAME` shows a part's source and all its settings.\n";
  std::string kind;
  for (const Entry& entry : vocabulary()) {
    if (!entry.is_listed) continue;
    if (entry.kind != kind) {
      text += fmt::format("\n## {}", entry.kind);
      if (is_part(entry)) text += fmt::format(", in `[{}]`", entry.section);
      text += "\n\n| Name | What it is |\n|---|---|\n";
    }
    kind = entry.kind;
    std::string sentence;
    for (const char c : first_sentence(entry.about)) {
      if (c == '|') sentence += '\\';  // it would end the table's column
      sentence += c;
    }
    text += fmt::format("| `{}` | {} |\n", entry.name, sentence);
  }
  return text;
}

std::string explain(const std::string& name) {
  std::string text;
  for (const Entry& entry : find_entries(name)) {
    if (!text.empty()) text += '\n';
    text += describe(entry);
  }
  return text;
}

Json explain_json(const std::string& name) {
  Json list = Json::array();
  for (const Entry& entry : find_entries(name)) {
    Json settings = Json::array();
    const std::vector<Declared> declared = entry.declared();
    for (const Declared& setting : declared) {
      settings.push_back(
          {{"key", setting.key}, {"type", setting.type}, {"default", setting.fallback}, {"meaning", setting.meaning}});
    }
    list.push_back({{"kind", entry.kind},
                    {"section", entry.section},
                    {"name", entry.name},
                    {"about", entry.about},
                    {"settings", settings},
                    {"example", example_of(entry, declared)}});
  }
  return list;
}

}  // namespace shoal
