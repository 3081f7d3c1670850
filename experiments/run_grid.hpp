#pragma once
// `shoal run`: every cell of an experiment, on all ranks, into one run file.

#include <string>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/record/cell_journal.hpp"
#include "sim/settings.hpp"

namespace shoal {

struct RunOptions {
  std::string out;         // run file; empty: results/NAME.h5
  int threads = 1;         // of each rank
  int ranks_per_cell = 0;  // 0: one rank a cell while there are more cells than ranks, else all share
};

/// Reads the experiment, applies `sets` (KEY=VALUE each): what every command starts with. UserError.
Settings load_experiment(const std::string& file, const std::vector<std::string>& sets);

/// Composes every cell once and checks that the run file can be written: errors show before anything is trained.
/// Returns the path of the run file. UserError.
std::string check_experiment(const Settings& experiment, const RunOptions& options);

/// Runs all cells and merges their records in grid order. Collective over the world; rank 0 returns the cells' contents
/// and the hash of the whole, others nothing.
struct GridResult {
  std::vector<CellContents> cells;
  std::string hash;
  std::string out;
};
GridResult run_grid(const Settings& experiment, const RunOptions& options, Communicator& world);

}  // namespace shoal
