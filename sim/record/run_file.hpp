#pragma once
// The run file: all cells of a grid in one HDF5 file, assembled from their journals.
//
// Attributes of the root: schema = "shoal-run", schema_version, name, program, hash. Per cell a group /cells/<index>
// with its label, seed, status, hash and totals as attributes; in it the tables `rounds`, `clients` and `measures`, the
// group `tables` of further tables, the text `config`, the group `provenance` (one attribute per entry) and the group
// `model` (one data set per parameter). Each table has the attributes `units` and `axes`. A seal (sim/files/seal.hpp)
// follows the HDF5 data; HDF5 does not see it, and removes it when another program changes the file.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/files/replace_file.hpp"
#include "sim/record/cell_journal.hpp"
#include "sim/record/journal_folder.hpp"

namespace shoal {

constexpr std::int64_t run_schema_version = 3;
/// Readers accept files from this version on: version 2 has neither measures nor further tables, calls dropouts
/// `dropped`, and defines its hashes differently.
constexpr std::int64_t oldest_schema_version = 2;

struct RunInfo {
  std::string name;     // the experiment's
  std::string program;  // the version of Shoal
};

struct RunContents {
  RunInfo info;
  std::int64_t schema_version = run_schema_version;  // the file's
  std::string hash;
  std::vector<CellContents> cells;  // sorted by index, with `length` 0
  bool sealed = true;               // false: the file has no seal, since another program has changed or written it
};

/// The hash of a run, made of its cells' hashes in order; the hash of an unfinished cell is empty.
std::string run_hash(const std::vector<std::string>& cell_hashes);

/// Builds the file beside `path`, piece by piece, and renames it: a reader sees the old file or the whole new one.
/// Unfinished cells get the status "unfinished". Takes the memory of one round, and disk for the uncompressed rows.
void assemble_run_file(const std::string& path, const RunInfo& info, const std::vector<std::string>& journals);

/// The facts of a run file and its cells without their rows: quick to read.
struct RunOutline {
  struct Cell {
    std::int64_t index = 0;
    bool finished = false;
    std::string config;                             // as in CellHeader
    std::map<std::string, std::string> provenance;  // as there
  };
  std::vector<Cell> cells;  // sorted by index
};
/// Errors as in read_run_file.
RunOutline read_outline(const std::string& path);

/// UserError for a missing, foreign, truncated or damaged file, or one of an unknown schema version. In a file without
/// a seal, damage is found only where HDF5 notices it.
RunContents read_run_file(const std::string& path);

/// The run file together with the journals of a run that was interrupted or is still running; each cell comes from the
/// one that reaches further. A file that an earlier run of another configuration or program left is ignored. Errors as
/// above.
RunContents read_run(const std::string& path);

}  // namespace shoal
