#include "experiments/program/run/grid.hpp"

#include <algorithm>
#include <set>

namespace shoal {
namespace {

constexpr std::size_t most_cells = 20'000;  // of about 30 kB each, in memory

// One value along an axis of the grid: the keys it sets, in order, and its name in tables.
struct Choice {
  std::vector<std::pair<std::string, std::string>> sets;  // dotted key, TOML text
  std::string label;
};
using Axis = std::vector<Choice>;

std::string unquoted(const std::string& text) {
  return text.size() >= 2 && text.front() == '"' && text.back() == '"' ? text.substr(1, text.size() - 2) : text;
}

std::string last_word(const std::string& dotted) { return dotted.substr(dotted.rfind('.') + 1); }

void append_label(std::string& label, const std::string& word) {
  if (!label.empty()) label += ", ";
  label += word;
}

// The keys that a table of the grid sets below `prefix`. A part's name is set first, since it replaces the whole
// section. The label holds the names and, for a single section or without names, the other values.
Choice from_table(const std::string& toml, const std::string& prefix) {
  Choice choice;
  std::string names, others;
  std::vector<std::pair<std::string, std::string>> rest;
  for (const Settings::Leaf& leaf : Settings::parse("value = " + toml, "[grid]").section("value").leaves()) {
    const std::string key = prefix.empty() ? leaf.key : prefix + "." + leaf.key;
    if (prefix.empty() && leaf.key == "label") {
      choice.label = unquoted(leaf.toml);
    } else if (last_word(key) == "name" && key.find('.') != std::string::npos) {
      choice.sets.emplace_back(key.substr(0, key.rfind('.')), leaf.toml);
      append_label(names, unquoted(leaf.toml));
    } else if (leaf.toml.starts_with('"') && key.find('.') == std::string::npos) {
      choice.sets.emplace_back(key, leaf.toml);
      append_label(names, unquoted(leaf.toml));
    } else {
      rest.emplace_back(key, leaf.toml);
      append_label(others, last_word(key) + "=" + unquoted(leaf.toml));
    }
  }
  choice.sets.insert(choice.sets.end(), rest.begin(), rest.end());
  if (!choice.label.empty()) return choice;
  choice.label = names;
  if (!prefix.empty() || names.empty()) append_label(choice.label, others);
  return choice;
}

Choice from_value(const std::string& key, const std::string& toml) {
  if (toml.starts_with('{')) return from_table(toml, key == "variants" ? "" : key);
  if (key == "variants")
    user_error("[grid]: a variant is a table of keys (found {}). Write {{strategy = {}}}.", toml, toml);
  const bool part = toml.starts_with('"') && key.find('.') == std::string::npos;
  const bool name = last_word(key) == "name" && key.find('.') != std::string::npos;
  const std::string target = name ? key.substr(0, key.rfind('.')) : key;
  return {{{target, toml}}, part || name ? unquoted(toml) : last_word(key) + "=" + unquoted(toml)};
}

Axis read_axis(const Settings::Leaf& leaf) {
  if (!leaf.is_list)
    user_error("[grid]: '{}' must be a list of values (found {}). Write [{}].", leaf.key, leaf.toml, leaf.toml);
  if (leaf.items.empty())
    user_error("[grid]: '{}' is an empty list, so there is nothing to run. Give it a value.", leaf.key);
  Axis axis;
  std::set<std::string> labels;
  for (const std::string& item : leaf.items) {
    axis.push_back(from_value(leaf.key, item));
    if (labels.insert(axis.back().label).second) continue;
    user_error(
        "[grid]: two values of '{}' are both called '{}'. Remove one, or give variants a 'label' that tells them "
        "apart.",
        leaf.key, axis.back().label);
  }
  return axis;
}

// The strategy, or the peers' strategy where there is no server.
std::string what_learns(const Settings& cell) {
  if (cell.has("topology")) return cell.section("peer").text("name", "d_psgd", "which peer strategy");
  return cell.section("strategy").text("name", "fed_avg", "which strategy");
}

// Whether setting `key` to these values replaces what was set for `other`: the key itself or a section that holds it.
bool replaces(const std::pair<std::string, std::string>& set, std::string_view other) {
  const auto& [key, toml] = set;
  return other == key || (other.starts_with(key + ".") && (toml.starts_with('"') || toml.starts_with('{')));
}

}  // namespace

void check_name(const std::string& name) {
  if (name.empty()) user_error("'name' is empty. Give the experiment a name.");
  for (const unsigned char byte : name) {
    if (byte < 0x20 || byte == 0x7f) user_error("'name' has the control character \\x{:02x}. Leave it out.", byte);
  }
  constexpr std::size_t most = 200;  // file systems take 255 bytes a name
  if (name.size() > most) user_error("'name' has {} bytes. Shorten it to {} or less.", name.size(), most);
}

void refuse_overridden(const Settings& experiment, std::string_view key) {
  const Settings base = experiment.clone();
  if (!base.has("grid") || key == "grid" || key.starts_with("grid.")) return;
  for (const Settings::Leaf& leaf : base.section("grid").leaves()) {
    const Axis axis = read_axis(leaf);
    const bool always = std::ranges::all_of(axis, [&](const Choice& choice) {
      return std::ranges::any_of(choice.sets, [&](const auto& set) { return replaces(set, key); });
    });
    if (!always) continue;
    user_error("--set {}: [grid] sets it in every cell, so this has no effect. Change 'grid.{}' instead.", key,
               leaf.key);
  }
}

std::vector<Cell> expand_grid(const Settings& experiment) {
  Settings base = experiment.clone();
  std::vector<Axis> axes;
  std::vector<bool> is_seed;
  std::size_t count = 1;
  if (base.has("grid")) {
    for (const Settings::Leaf& leaf : base.section("grid").leaves()) {
      axes.push_back(read_axis(leaf));
      is_seed.push_back(leaf.key == "seed");
      count *= axes.back().size();
      if (count > most_cells) user_error("[grid]: more than {} cells. Shorten the lists.", most_cells);
    }
    base.erase("grid");
  }

  std::vector<Cell> cells;
  for (std::size_t index = 0; index < count; ++index) {
    Cell cell{.index = static_cast<std::int64_t>(index), .settings = base.clone()};
    std::size_t stride = count;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      stride /= axes[a].size();
      const Choice& choice = axes[a][index / stride % axes[a].size()];
      for (const auto& [key, toml] : choice.sets) cell.settings.set(key, toml);
      if (!is_seed[a]) append_label(cell.label, choice.label);
    }
    cell.seed = cell.settings.integer("seed", 1, "seed of everything that is drawn", at_least(0));
    if (cell.label.empty()) cell.label = what_learns(cell.settings);
    cell.settings = cell.settings.clone();  // nothing counts as read yet
    cells.push_back(std::move(cell));
  }
  return cells;
}

}  // namespace shoal
