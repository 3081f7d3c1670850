#include "experiments/program/explain.hpp"

#include <vector>

#include "experiments/program/part_list.hpp"
#include "experiments/program/run/experiment.hpp"

namespace shoal {
namespace {

// A part or a section that can be named on the command line.
struct Entry {
  std::string kind, section, name, about;
  std::function<std::vector<Declared>()> declared;  // its settings
};

// The settings that an experiment with this task reads in one of its sections, which may be a dotted path.
std::vector<Declared> declared_in(std::string_view path, const std::string& task) {
  Datasets datasets;
  Settings root;
  root.set("task", task);
  compose(root, datasets);
  Settings section = root;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    section = section.section(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return section.declared();
}

std::vector<Declared> declared_by(const AnyPart& part) {
  if (part.kind == "task") return declared_in("task", std::string(part.name));
  Settings settings;
  part.make(settings);
  return settings.declared();
}

// Sections that name no part, or that are read by more than the part they name.
struct Section {
  const char *path, *name, *about;
  const char* task = "supervised";  // the task of experiments that have the section
};
constexpr Section sections[] = {
    {"data", "data", "The examples, and how many of them every client holds out from training."},
    {"local", "local", "How clients train: local SGD, the same for all strategies."},
    {"evaluate", "evaluate", "When and on which examples the server's model is evaluated."},
    {"population", "population",
     "The clients: their devices and when they are available on the virtual clock. It contains devices (a form of "
     "devices: plain, tiers, flash, ...), availability (a form of availability: always, diurnal, trace, ...), regions, "
     "limits, consent and partial."},
    {"population.regions", "regions", "Time zones, and outages that hit all clients of a zone at once."},
    {"population.limits", "limits",
     "Limits that users set on their devices: train only when charging, idle or on an unmetered network, and "
     "only so often."},
    {"population.consent", "consent",
     "The clients that have agreed to take part, in general and in this task, and until when."},
    {"population.partial", "partial",
     "Clients that do only a part of their local work, as in FedProx's experiments. Li et al., MLSys 2020 (arXiv "
     "1812.06127)."},
    {"pipeline", "pipeline",
     "Serving, rollout collection, judging and training of task \"talk\": how fast they are, and how new weights reach "
     "serving.",
     "talk"},
};

std::vector<Entry> all_entries() {
  std::vector<Entry> entries;
  for (const AnyPart& part : all_parts()) {
    entries.push_back({std::string(part.kind), std::string(part.section), std::string(part.name),
                       std::string(part.about), [part] { return declared_by(part); }});
  }
  for (const Section& section : sections) {
    entries.push_back({"section", section.path, section.name, section.about,
                       [section] { return declared_in(section.path, section.task); }});
  }
  return entries;
}

std::string first_sentence(std::string text) {
  for (char& c : text) c = c == '\n' ? ' ' : c;
  const std::size_t end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

std::string describe(const Entry& entry) {
  std::string text = fmt::format("{} ({})\n\n{}\n\n[{}]\n", entry.name, entry.kind, entry.about, entry.section);
  const bool is_part = entry.kind != "section";
  if (is_part) text += fmt::format("  {:<18} = {:<12}\n", "name", fmt::format("\"{}\"", entry.name));
  for (const Declared& setting : entry.declared()) {
    if (is_part && setting.key == "name") continue;
    text += fmt::format("  {:<18} = {:<12} # {} ({})\n", setting.key, setting.fallback, setting.meaning, setting.type);
  }
  return text;
}

}  // namespace

std::string list_parts() {
  std::string text, heading;
  for (const Entry& entry : all_entries()) {
    const std::string own =
        entry.kind == "section" ? "section\n" : fmt::format("{}   [{}]\n", entry.kind, entry.section);
    if (own != heading) text += fmt::format("{}{}", text.empty() ? "" : "\n", own);
    heading = own;
    text += fmt::format("  {:<20} {}\n", entry.name, first_sentence(entry.about));
  }
  return text + "\nshoal explain NAME shows a part's source and settings.\n";
}

std::string parts_page() {
  std::string text =
      "# Parts\n\nMade by `shoal list --markdown`. `shoal explain NAME` shows a part's source and all its settings.\n";
  std::string kind;
  for (const Entry& entry : all_entries()) {
    if (entry.kind != kind) {
      text += fmt::format("\n## {}", entry.kind);
      if (entry.kind != "section") text += fmt::format(", in `[{}]`", entry.section);
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
  std::vector<std::string> names;
  std::string text;
  for (const Entry& entry : all_entries()) {
    names.push_back(entry.name);
    if (entry.name != name) continue;
    if (!text.empty()) text += '\n';
    text += describe(entry);
  }
  if (!text.empty()) return text;
  const std::string near = nearest(name, names);
  user_error("there is no part called '{}'. {}", name,
             near.empty() ? "See 'shoal list'." : fmt::format("The nearest is '{}'.", near));
}

}  // namespace shoal
