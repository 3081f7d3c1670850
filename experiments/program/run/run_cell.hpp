#pragma once
// One cell from its first round to its last, or from its last checkpoint.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "experiments/program/run/grid.hpp"
#include "experiments/program/run/interruption.hpp"
#include "experiments/program/run/progress.hpp"
#include "sim/comm/communicator.hpp"
#include "sim/record/cell_journal.hpp"
#include "sim/round/process.hpp"

namespace shoal {

/// Destination of a cell's record.
struct CellRecording {
  std::string journal;  // path; written by the group's first rank, with the checkpoints beside it; empty: no record
  std::map<std::string, std::string> provenance;  // facts of the whole run; the cell adds its own
  Progress* progress = nullptr;                   // at the group's first rank; null: silent
  bool resume = false;                            // continue from the journal and the newest checkpoint, if they exist
  std::function<void()> saved = [] {};            // called at the group's first rank after each checkpoint
  std::function<double(std::uint64_t)> assembly = [](std::uint64_t) { return 0.0; };  // seconds, by the journal's bytes
};

/// The facts known before the first round; the same on every rank of the cell.
CellHeader header_of(const Cell& cell, const Process& process, const CellRecording& recording, Communicator& comm);

/// The block that the run which wrote `header` settled on; none in files of versions that did not record it.
std::optional<BlockChoice> settled_block(const CellHeader& header);

/// Status of a cell that was saved and stopped; the other statuses are in CellResult.
inline constexpr const char* stopped = "stopped";

/// Runs `process`, which was composed from `cell` and not started, on the ranks of `comm`. Collective; the result is
/// the same on each. A model that is no longer finite ends the cell with status "diverged", not the program. Status
/// "stopped": saved, to be resumed.
CellResult run_cell(const Cell& cell, Process& process, Communicator& comm, int threads, Interruption& interruption,
                    const CellRecording& recording);

}  // namespace shoal
