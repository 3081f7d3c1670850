#include "sim/settings/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "sim/settings/settings_tree.hpp"

namespace shoal {
namespace {

bool is_bare(std::string_view text, std::string_view also) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return c < 128 && (std::isalnum(c) || also.find(c) != std::string_view::npos);
  });
}

std::vector<std::string> split_key(std::string_view dotted) {
  std::vector<std::string> keys;
  std::string_view rest = dotted;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view key = rest.substr(0, dot);
    if (!is_bare(key, "_-")) {
      user_error("'{}' is not a key (found {}). Write it like 'strategy.mu'.", dotted,
                 key.empty() ? "an empty part" : fmt::format("the part {}", quoted(key)));
    }
    keys.emplace_back(key);
    if (dot == std::string_view::npos) return keys;
    if (keys.size() == 64) user_error("'{}...' has more than 64 parts", dotted.substr(0, 60));
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace

void Settings::set(std::string_view dotted_key, std::string_view toml_value) {
  const auto keys = split_key(dotted_key);
  // A bare word is taken as a string; everything else is read as TOML.
  auto value = parse_settings_value(toml_value, node_->origin, node_->below(dotted_key));
  if (!value && is_bare(toml_value, "_-./"))
    value = std::make_unique<SettingsValue>(SettingsValue{std::string(toml_value)});
  if (!value) user_error("cannot set '{}' to {} (not a TOML value)", dotted_key, quoted(toml_value));

  // Check first, then change: a refused key leaves everything as it was.
  Node* seen = node_.get();
  for (std::size_t i = 0; seen && i + 1 < keys.size(); ++i) {
    const auto* entry = seen->find(keys[i]);
    const auto* table = entry ? std::get_if<SettingsTable>(&entry->value.is) : nullptr;
    if (entry && !table && !std::holds_alternative<std::string>(entry->value.is)) {
      user_error("cannot set '{}' ('{}' is {}, not a table)", dotted_key, seen->below(keys[i]), describe(entry->value));
    }
    seen = table ? table->get() : nullptr;
  }

  SettingsTable node = node_;
  node->from_string = false;
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    SettingsEntry* entry = node->find(keys[i]);
    if (!entry) {
      // A handle to this section that was given out while it was absent sees the new value too.
      const bool given_out = node->absent.contains(keys[i]);
      const SettingsTable table = absent_section(*node, keys[i]);
      node->absent.erase(keys[i]);
      node->entries.push_back({keys[i], {table}, 0, 0, given_out});
      entry = &node->entries.back();
    }
    SettingsTable next = as_table(*node, entry->value, node->below(keys[i]), *entry);
    next->from_string = false;
    node = std::move(next);
  }
  SettingsEntry* entry = node->find(keys.back());
  if (!entry) entry = &node->entries.emplace_back(SettingsEntry{keys.back(), {}, 0, 0});
  entry->value = std::move(*value);
  entry->line = entry->column = 0;
  entry->read = false;
}

}  // namespace shoal
