#pragma once
// One cell from its first round to its last.

#include <functional>
#include <map>
#include <string>

#include "experiments/experiment.hpp"
#include "experiments/grid.hpp"
#include "sim/comm/communicator.hpp"
#include "sim/record/cell_journal.hpp"
#include "sim/record/progress.hpp"

namespace shoal {

/// Where a cell's record goes.
struct CellRecording {
  std::string journal;                            // path, written by the group's first rank
  std::map<std::string, std::string> provenance;  // of the whole run; the cell adds its own
  Progress* progress = nullptr;                   // of the group's first rank; null: silent
};

/// Runs `cell` on the ranks of `comm`. Collective; the result is the same on each. A model that is no longer finite
/// ends the cell with status "diverged", not the program.
CellResult run_cell(const Cell& cell, const Experiment& experiment, Communicator& comm, int threads,
                    const CellRecording& recording);

}  // namespace shoal
