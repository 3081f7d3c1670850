#pragma once
// `shoal check`: whether run files are what they state, without training.

#include <string>
#include <vector>

#include "sim/record/run_file.hpp"

namespace shoal {

/// The statements of a finished cell that its rows and model contradict: of its hash, its totals, its status.
std::vector<std::string> contradictions(const CellContents& cell);

/// UserError for a file of an older schema, whose hashes cannot be computed from its rows.
void require_checkable(const RunContents& run, const std::string& path);

/// Checks and prints each file; returns the exit code. A consistent forgery passes: a hash is no signature.
int check_files(const std::vector<std::string>& paths);

}  // namespace shoal
