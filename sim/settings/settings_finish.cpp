#include "sim/settings/settings.hpp"

#include <fmt/format.h>

#include <tuple>

#include "sim/settings/settings_tree.hpp"

namespace shoal {
namespace {

using Node = Settings::Node;

// The first unread entry in the order of the file; entries set after parsing come last.
struct Unread {
  const Node* node = nullptr;
  const SettingsEntry* entry = nullptr;

  std::tuple<bool, int, int> order() const { return {entry->line == 0, entry->line, entry->column}; }
};

void find_unread(const Node& node, Unread& first) {
  const auto below = [&](const SettingsValue& value) {
    if (const auto* table = std::get_if<SettingsTable>(&value.is)) find_unread(**table, first);
  };
  for (const auto& entry : node.entries) {
    if (!entry.read) {
      const Unread here{&node, &entry};
      if (!first.entry || here.order() < first.order()) first = here;
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

std::string suggestion(const Node& node, const std::string& key) {
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

}  // namespace

void Settings::finish() const {
  Unread first;
  find_unread(*node_, first);
  if (!first.entry) return;
  const auto& [node, entry] = first;
  const bool table = std::holds_alternative<SettingsTable>(entry->value.is);
  const std::string what = table ? fmt::format("unknown section [{}]", node->below(entry->key))
                                 : fmt::format("unknown key '{}'", entry->key);
  const std::string place = table || node->path.empty() ? "" : fmt::format(" in [{}]", node->path);
  user_error("{}{}{}{}", node->line_of(*entry), what, place, suggestion(*node, entry->key));
}

}  // namespace shoal
