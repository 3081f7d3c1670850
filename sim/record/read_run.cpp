#include "sim/record/run_file.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>

#include "sim/error.hpp"
#include "sim/record/check_cell.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

using Cells = std::map<std::int64_t, CellContents>;

// None if the run was killed before the cell's first record was whole.
std::optional<CellContents> read_started_cell(const std::string& journal) {
  if (read_journal(journal).records.empty()) return std::nullopt;
  return read_cell(journal);
}

Cells read_journals(const std::string& folder) {
  Cells cells;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    if (!is_journal_name(entry.path().filename().string())) continue;  // checkpoints
    if (auto cell = read_started_cell(entry.path().string())) {
      check_cell(*cell, entry.path().string());
      cells.insert_or_assign(cell->header.index, std::move(*cell));
    }
  }
  return cells;
}

// The run may end while it is read; then its file is complete and its journals are gone.
Cells read_journals_if_there(const std::string& folder) {
  try {
    return read_journals(folder);
  } catch (const std::exception&) {
    if (fs::exists(folder)) throw;
    return {};
  }
}

std::string entry(const std::map<std::string, std::string>& provenance, const std::string& name) {
  const auto found = provenance.find(name);
  return found == provenance.end() ? "" : found->second;
}

bool same_work(const CellHeader& a, const CellHeader& b) {
  return a.config == b.config && entry(a.provenance, "commit") == entry(b.provenance, "commit");
}

bool reaches_further(const CellContents& a, const CellContents& b) {
  if (a.result.has_value() != b.result.has_value()) return a.result.has_value();
  return a.rounds.size() > b.rounds.size();
}

RunInfo info_of(const CellHeader& header) {
  const Settings config = Settings::parse(header.config, "configuration of the run");
  return {config.text("name", "experiment", "name of the experiment"), entry(header.provenance, "program")};
}

// A journal with another configuration or program than the file's shows that the file is from an earlier run.
bool is_outdated(const RunContents& file, const Cells& journals) {
  return std::ranges::any_of(file.cells, [&](const CellContents& cell) {
    const auto journal = journals.find(cell.header.index);
    return journal != journals.end() && !same_work(journal->second.header, cell.header);
  });
}

}  // namespace

RunContents read_run(const std::string& path) {
  Cells cells = read_journals_if_there(journal_folder(path));
  if (cells.empty()) return read_run_file(path);
  RunContents run{.info = info_of(cells.begin()->second.header)};
  if (fs::exists(path)) {
    RunContents file = read_run_file(path);
    if (!is_outdated(file, cells)) {
      run.info = file.info;
      run.sealed = file.sealed;
      for (CellContents& cell : file.cells) {
        const auto journal = cells.find(cell.header.index);
        if (journal != cells.end() && reaches_further(journal->second, cell)) continue;
        cells.insert_or_assign(cell.header.index, std::move(cell));
      }
    }
  }
  std::vector<std::string> hashes;
  for (auto& [index, cell] : cells) {
    hashes.push_back(cell.result ? cell.result->hash : "");
    cell.length = 0;
    run.cells.push_back(std::move(cell));
  }
  run.hash = run_hash(hashes);
  return run;
}

}  // namespace shoal
