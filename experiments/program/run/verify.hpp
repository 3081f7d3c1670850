#pragma once
// `shoal verify`: runs a run file's cells again and compares.

#include <string>

#include "experiments/program/run/run_grid.hpp"

namespace shoal {

/// The finished cells of a run file as a run that writes beside it. UserError when the file cannot be read.
Run run_from_file(const std::string& path);

/// Compares what a run gave now with what the file at `path` says; text with one line per cell, and what is known to
/// differ between the two machines. `equal` tells whether every hash is the same.
std::string compare_with_file(const std::string& path, const RunResult& now, bool& equal);

}  // namespace shoal
