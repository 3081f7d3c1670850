#pragma once
// The objects that `shoal run --json` and `shoal verify --json` print.

#include <string>

#include "experiments/program/json.hpp"
#include "experiments/program/run/run_grid.hpp"

namespace shoal {

/// The run's cells with their totals, and what the table shows of each label. `file`: the run file.
Json result_json(const RunResult& result, const std::string& file);

/// Each cell of the file at `path` beside that of a new run. `equal` tells whether every hash is the same.
Json verify_json(const std::string& path, const RunResult& now, bool& equal);

}  // namespace shoal
