#include "experiments/program/run/output.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "sim/files/file_lock.hpp"
#include "sim/files/journal_reader.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

bool has_journals(const Run& run) {
  return std::ranges::any_of(run.cells,
                             [&](const Cell& cell) { return fs::exists(journal_path(run.out, cell.index)); });
}

// Whether an interrupted run has left more than the beginning of a journal.
bool has_rounds(const Run& run) {
  return std::ranges::any_of(run.cells, [&](const Cell& cell) {
    const std::string path = journal_path(run.out, cell.index);
    if (!fs::exists(path)) return false;
    JournalReader reader(path);
    JournalRecord record;
    return reader.next(record) && reader.next(record);
  });
}

// Whether the file is of this run. A run that was stopped may not have begun all of its cells; its folder is there.
bool same_settings(const Run& run, const RunOutline& file) {
  if (file.cells.size() != run.cells.size() && !fs::exists(journal_folder(run.out))) return false;
  return std::ranges::all_of(file.cells, [&](const RunOutline::Cell& then) {
    const auto now = std::ranges::find(run.cells, then.index, &Cell::index);
    return now != run.cells.end() && now->settings.canonical() == then.config;
  });
}

// Only a run file may be replaced: a mistyped --out could name an experiment or data. Returns whether there is one.
bool require_run_file(const std::string& path) {
  if (!fs::exists(path) || fs::is_directory(path)) return false;  // check_writable tells of folders
  constexpr std::string_view signature = "\x89HDF\r\n\x1a\n";
  std::string head(signature.size(), '\0');
  if (fs::is_regular_file(path)) std::ifstream(path, std::ios::binary).read(head.data(), std::ssize(head));
  if (head == signature) return true;
  user_error("{}: exists and is no run file, so it is not replaced. Choose another --out, or remove it.", path);
}

}  // namespace

void check_out(const Run& run, const RunOptions& options) {
  check_journal_folder(run.out);
  if (is_locked(journal_lock(run.out))) {
    user_error("{}: another process is writing this run. Wait until it ends, or choose another --out.", run.out);
  }
  if (!options.resume && !options.anew && has_rounds(run)) {
    user_error("{}: holds an interrupted run. Use --resume to continue it or --anew to discard it.",
               journal_folder(run.out));
  }
  if (require_run_file(run.out)) {
    const RunOutline file = read_outline(run.out);  // also refuses HDF5 files of others
    if (!options.resume && !options.anew && !same_settings(run, file)) {
      user_error("{}: holds a run of other settings. Choose another --out, or use --anew to replace it.", run.out);
    }
  }
  check_writable(run.out);
}

bool is_complete(const Run& run) {
  if (!fs::exists(run.out) || has_journals(run)) return false;
  const RunOutline file = read_outline(run.out);
  if (!same_settings(run, file)) {
    user_error(
        "{}: holds a finished run of other settings. Choose another --out, or use --anew instead of --resume to "
        "replace it.",
        run.out);
  }
  for (const RunOutline::Cell& then : file.cells) {
    check_inputs(*std::ranges::find(run.cells, then.index, &Cell::index), then.provenance, run.out);
  }
  return file.cells.size() == run.cells.size() && std::ranges::all_of(file.cells, &RunOutline::Cell::finished);
}

void check_inputs(const Cell& cell, const std::map<std::string, std::string>& provenance, const std::string& run) {
  const auto earlier = provenance.find(input_files_fact);
  if (earlier == provenance.end()) return;  // an older version did not record them
  require_same_inputs(parse_inputs(earlier->second), cell.inputs, run);
}

}  // namespace shoal
