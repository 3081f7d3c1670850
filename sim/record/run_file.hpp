#pragma once
// The run file: all cells of a grid in one HDF5 file, assembled from their journals.
//
// Attributes of the root: schema = "shoal-run", schema_version, name, program, hash. Per cell a group /cells/<index>
// with its label, seed, status, hash and totals as attributes; in it the tables `rounds`, `clients` and `measures`, the
// group `tables` of further tables, the text `config`, the group `provenance` (one attribute each) and the group
// `model` (one data set per parameter). Each table has the attributes `units` and `axes`. Behind the HDF5 data stands a
// seal (seal.hpp), which readers of HDF5 do not see, and which is lost when they change the file.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/files/replace_file.hpp"
#include "sim/record/cell_journal.hpp"

namespace shoal {

constexpr std::int64_t run_schema_version = 3;
/// Readers accept files from this version on: 2 has no measures and further tables, says `dropped` for `dropouts`, and
/// its hashes are defined otherwise.
constexpr std::int64_t oldest_schema_version = 2;

struct RunInfo {
  std::string name;     // of the experiment
  std::string program;  // version of Shoal
};

struct RunContents {
  RunInfo info;
  std::int64_t schema_version = run_schema_version;  // of the file
  std::string hash;
  std::vector<CellContents> cells;  // by index; `length` is 0
};

/// The hash of a whole run: of its cells' hashes in order; empty ones are cells that are not finished.
std::string run_hash(const std::vector<std::string>& cell_hashes);

/// Builds the file in memory and puts it in place by `replace_file`: whoever opens `path` sees the old file or the
/// whole new one. Unfinished cells are written with status "unfinished". Takes as much memory as the file and one cell.
void assemble_run_file(const std::string& path, const RunInfo& info, const std::vector<std::string>& journals);

/// The folder beside the run file in which its cells keep their journals while they run, and the journal of one cell.
std::string journal_folder(const std::string& run);
std::string journal_path(const std::string& run, std::int64_t cell);

/// UserError for a missing, foreign, truncated or damaged file, or one of another schema version. Whether a file
/// without a seal is damaged is known only as far as HDF5 notices.
RunContents read_run_file(const std::string& path);

/// The run file together with the journals of a run that was interrupted, or is still going on: of every cell what
/// reaches further. A file left by an earlier run of another configuration or program does not count. Errors as above.
RunContents read_run(const std::string& path);

}  // namespace shoal
