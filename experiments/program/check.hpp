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

/// The findings of `shoal check` in one file.
struct FileCheck {
  std::string file, hash{};
  std::vector<std::string> findings{};  // contradictions; empty: the file is what it states
  bool sealed = false;
  std::int64_t cells = 0, unfinished = 0;
  std::string problem{};  // the reason if the file could not be checked
  int code = 0;           // exit code
};

/// Reads and checks each file. A consistent forgery passes: a hash is no signature.
std::vector<FileCheck> check_files(const std::vector<std::string>& paths);

}  // namespace shoal
