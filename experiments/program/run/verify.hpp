#pragma once
// `shoal verify`: runs a run file's cells again and compares.

#include <string>

#include "experiments/program/run/run_grid.hpp"

namespace shoal {

/// The finished cells of a run file as a run that keeps no record. UserError when the file cannot be read, or the data
/// that it was made from have changed.
Run run_from_file(const std::string& path);

/// Compares the result of a new run with what the file at `path` states, and that with its rows and models. Returns a
/// text with one line per cell and with the facts of provenance that differ. `equal` tells whether every hash is the
/// same.
std::string compare_with_file(const std::string& path, const RunResult& now, bool& equal);

}  // namespace shoal
