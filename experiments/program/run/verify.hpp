#pragma once
// `shoal verify`: runs a run file's cells again and compares.

#include <string>

#include "experiments/program/run/run_grid.hpp"

namespace shoal {

/// The finished cells of a run file as a run whose own file is beside it. UserError when the file cannot be read.
Run run_from_file(const std::string& path);

/// Compares the result of a new run with the file at `path`. Returns a text with one line per cell and with the facts
/// of provenance that differ. `equal` tells whether every hash is the same.
std::string compare_with_file(const std::string& path, const RunResult& now, bool& equal);

}  // namespace shoal
