#include "sim/settings/settings.hpp"

#include "sim/settings/settings_tree.hpp"

namespace shoal {
namespace {

void collect(const Settings::Node& table, const std::string& prefix, std::vector<Settings::Leaf>& leaves) {
  for (const SettingsEntry& entry : table.entries) {
    const std::string key = prefix + entry.key;
    if (const auto* below = std::get_if<SettingsTable>(&entry.value.is)) {
      collect(**below, key + ".", leaves);
      continue;
    }
    Settings::Leaf leaf{.key = key, .toml = inline_text(entry.value)};
    if (const auto* list = std::get_if<SettingsList>(&entry.value.is)) {
      leaf.is_list = true;
      for (const SettingsValue& item : *list) leaf.items.push_back(inline_text(item));
    }
    leaves.push_back(std::move(leaf));
  }
}

}  // namespace

std::vector<Settings::Leaf> Settings::leaves() const {
  std::vector<Leaf> leaves;
  collect(*node_, "", leaves);
  return leaves;
}

void Settings::erase(std::string_view key) {
  std::erase_if(node_->entries, [&](const SettingsEntry& entry) { return entry.key == key; });
}

}  // namespace shoal
