#pragma once
// The files that `shoal run --out` may write over: run files of Shoal.

#include <string>

#include "experiments/program/run/run_grid.hpp"

namespace shoal {

/// UserError unless the run may be written to `run.out` and its journals beside it: where a file of another kind is,
/// where another process is writing, and, without --resume or --anew, where an interrupted run or the finished run of
/// other settings is.
void check_out(const Run& run, const RunOptions& options);

/// With --resume: whether the run file holds every cell's result already. UserError when it holds those of other
/// settings or inputs.
bool is_complete(const Run& run);

/// UserError unless `provenance` names the same input files as the cell has now; `run` is for the message.
void check_inputs(const Cell& cell, const std::map<std::string, std::string>& provenance, const std::string& run);

}  // namespace shoal
