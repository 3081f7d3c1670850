#include "sim/settings/settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <tuple>

#include "sim/settings/settings_tree.hpp"

namespace shoal {
namespace {

using Node = Settings::Node;

// An unread entry. In the order of the file; entries set after parsing come last.
struct Unread {
  const Node* node = nullptr;
  const SettingsEntry* entry = nullptr;

  std::tuple<bool, int, int> order() const { return {entry->line == 0, entry->line, entry->column}; }
};

void find_unread(const Node& node, std::vector<Unread>& all) {
  const auto below = [&](const SettingsValue& value) {
    if (const auto* table = std::get_if<SettingsTable>(&value.is)) find_unread(**table, all);
  };
  for (const auto& entry : node.entries) {
    if (!entry.read) {
      all.push_back({&node, &entry});
      continue;
    }
    below(entry.value);
    if (const auto* list = std::get_if<SettingsList>(&entry.value.is)) {
      for (const auto& item : *list) below(item);
    }
  }
}

// The sections of `node` that were read, with their keys.
std::vector<std::pair<std::string, SettingsTable>> read_sections(const Node& node) {
  std::vector<std::pair<std::string, SettingsTable>> sections(node.absent.begin(), node.absent.end());
  for (const auto& entry : node.entries) {
    const auto* table = std::get_if<SettingsTable>(&entry.value.is);
    if (entry.read && table) sections.emplace_back(entry.key, *table);
  }
  return sections;
}

// Names of other tools for settings of this one, in lower case without separators.
struct Synonym {
  std::string_view name, key;
};
constexpr Synonym synonyms[] = {
    {"numrounds", "rounds"},
    {"nrounds", "rounds"},
    {"commround", "rounds"},
    {"commrounds", "rounds"},
    {"communicationrounds", "rounds"},
    {"globalrounds", "rounds"},
    {"globalepochs", "rounds"},
    {"numserverrounds", "rounds"},
    {"lr", "local.rate"},
    {"learningrate", "local.rate"},
    {"clientlr", "local.rate"},
    {"clientlearningrate", "local.rate"},
    {"locallr", "local.rate"},
    {"stepsize", "local.rate"},
    {"serverlr", "strategy.rate"},
    {"serverlearningrate", "strategy.rate"},
    {"globallr", "strategy.rate"},
    {"batchsize", "local.batch"},
    {"localbatchsize", "local.batch"},
    {"bs", "local.batch"},
    {"numepochs", "local.epochs"},
    {"localepochs", "local.epochs"},
    {"clientepochs", "local.epochs"},
    {"localsteps", "local.steps"},
    {"localiterations", "local.steps"},
    {"numsteps", "local.steps"},
    {"wd", "local.weight_decay"},
    {"l2", "local.weight_decay"},
    {"lrdecay", "local.decay"},
    {"lrscheduler", "local.schedule"},
    {"scheduler", "local.schedule"},
    {"clientsperround", "planner.cohort"},
    {"numclientsperround", "planner.cohort"},
    {"minfitclients", "planner.cohort"},
    {"cohortsize", "planner.cohort"},
    {"numclients", "partition.clients"},
    {"nclients", "partition.clients"},
    {"totalclients", "partition.clients"},
    {"algorithm", "strategy"},
    {"method", "strategy"},
    {"aggregation", "strategy"},
    {"dataset", "data"},
    {"randomseed", "seed"},
    {"evalevery", "evaluate.every"},
    {"evalinterval", "evaluate.every"},
    {"testevery", "evaluate.every"},
    {"proximalmu", "strategy.mu"},
    {"compression", "codec"},
    {"hiddensizes", "model.widths"},
};

std::string folded(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (c != '_' && c != '-' && c != ' ') folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return folded;
}

bool declares(const Node& node, std::string_view key) {
  return std::ranges::find(node.declared, key, &Declared::key) != node.declared.end();
}

// Whether something at this dotted key was read: a value, or a section of its own.
bool is_known(const Node& root, std::string_view dotted) {
  const std::size_t dot = dotted.find('.');
  const std::string_view first = dotted.substr(0, dot);
  for (const auto& [name, section] : read_sections(root)) {
    if (name != first) continue;
    return dot == std::string_view::npos || is_known(*section, dotted.substr(dot + 1));
  }
  return dot == std::string_view::npos && declares(root, first);
}

// The setting that other tools call `key`, as a dotted key from `root`: one of `node` if it has it, otherwise where it
// usually is. Empty if this experiment has none.
std::string synonym(const Node& root, const Node& node, const std::string& key) {
  const std::string name = folded(key);
  for (const Synonym& one : synonyms) {
    if (one.name != name) continue;
    const std::string_view last = one.key.substr(one.key.rfind('.') + 1);
    if (declares(node, last)) return node.below(last);
    if (is_known(root, one.key)) return std::string(one.key);
  }
  return "";
}

std::string suggestion(const Node& root, const Node& node, const std::string& key) {
  if (const std::string same = synonym(root, node, key); !same.empty()) {
    return fmt::format(". It is called '{}' here.", same);
  }
  std::vector<std::string> known;
  for (const auto& declared : node.declared) known.push_back(declared.key);
  const auto sections = read_sections(node);
  for (const auto& [name, section] : sections) known.push_back(name);
  for (const auto& entry : node.entries) {
    if (entry.read && std::holds_alternative<SettingsList>(entry.value.is)) known.push_back(entry.key);
  }
  if (const std::string near = nearest(key, known); !near.empty()) return fmt::format(". The nearest is '{}'.", near);
  for (const auto& [name, section] : sections) {
    for (const auto& declared : section->declared) {
      if (declared.key == key) return fmt::format(". It may belong in [{}].", section->path);
    }
  }
  return "";
}

std::string text_of(const Node& root, const Unread& unread) {
  const auto& [node, entry] = unread;
  const bool table = std::holds_alternative<SettingsTable>(entry->value.is);
  const std::string what = table ? fmt::format("unknown section [{}]", node->below(entry->key))
                                 : fmt::format("unknown key '{}'", entry->key);
  const std::string place = table || node->path.empty() ? "" : fmt::format(" in [{}]", node->path);
  return fmt::format("{}{}{}{}", node->line_of(*entry), what, place, suggestion(root, *node, entry->key));
}

}  // namespace

void Settings::finish() const {
  std::vector<Unread> all;
  find_unread(*node_, all);
  if (all.empty()) return;
  std::ranges::stable_sort(all, {}, &Unread::order);
  std::vector<std::string> texts;
  for (const Unread& unread : all) {
    std::string& text = texts.emplace_back(text_of(*node_, unread));
    if (all.size() > 1 && !text.ends_with('.')) text += '.';
  }
  user_error("{}", fmt::join(texts, " "));
}

}  // namespace shoal
