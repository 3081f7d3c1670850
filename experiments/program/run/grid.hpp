#pragma once
// [grid]: lists of values for any keys. Every combination is a cell.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/files/inputs.hpp"
#include "sim/settings/settings.hpp"
#include "sim/task/block_choice.hpp"

namespace shoal {

/// One combination of the grid's values.
struct Cell {
  std::int64_t index = 0;
  std::string label;  // the values that vary, except the seed: "fed_avg", "alpha=0.3"; cells of one label are averaged
  std::int64_t seed = 1;
  Settings settings;
  InputFiles inputs{};                 // files that the cell reads; known once it has been composed
  std::optional<BlockChoice> block{};  // as settled by an earlier run, when that run is verified or resumed
};

/// All cells in grid order: the first key of [grid] varies slowest. Without [grid] there is one.
///
/// `seed = [1, 2, 3]` and `"planner.dropout" = [0, 0.1]` list values of keys; `strategy = ["fed_avg", {name =
/// "fed_prox", mu = 0.1}]` lists whole sections; `variants = [{strategy = "fed_avg"}, {strategy = "scaffold",
/// local.rate = 0.1}]` changes several keys at once, with an optional `label`.
std::vector<Cell> expand_grid(const Settings& experiment);

/// UserError if an experiment cannot have this name, which tables, pages and the run file show.
void check_name(const std::string& name);

/// UserError if the grid sets `key` in every cell, so that a value given for it on the command line has no effect.
void refuse_overridden(const Settings& experiment, std::string_view key);

}  // namespace shoal
