#pragma once
// The journal that one cell of a grid writes while it runs, as typed records.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/files/journal.hpp"
#include "sim/files/packing.hpp"
#include "sim/files/safetensors.hpp"
#include "sim/record/rows.hpp"

namespace shoal {

/// The facts known before the first round.
struct CellHeader {
  std::int64_t index = 0;  // position in the grid, from 0
  std::string label;
  std::int64_t seed = 1;
  std::string config;                             // canonical TOML of this cell
  std::map<std::string, std::string> provenance;  // commit, versions, ranks, data hashes, resolved choices
};

/// The facts known after the last round.
struct CellResult {
  std::string status;  // finished, diverged or target reached
  std::string hash;
  double final_accuracy = not_measured, best_accuracy = not_measured, final_loss = not_measured;
  std::int64_t rounds = 0;
  std::int64_t rounds_to_target = -1, time_to_target_us = -1;  // -1: no target, or not reached
  std::int64_t bytes_down = 0, bytes_up = 0, dropouts = 0, rejected = 0;
  double wall_seconds = 0;
};

/// The writing side; errors are those of `Journal`.
class CellJournal {
 public:
  /// Starts a new journal at `path`.
  CellJournal(std::string path, const CellHeader& header);
  /// Continues after `length` bytes; later rows are cut off.
  static CellJournal resume(std::string path, std::uint64_t length);

  /// Writes a round as one record: a reader sees all of it or nothing.
  void round(const RoundRows& rows);
  void finish(const CellResult& result, std::span<const ModelParameter> model);
  void sync() { journal_.sync(); }
  /// The length from which a checkpoint resumes.
  std::uint64_t length() const { return journal_.length(); }

 private:
  explicit CellJournal(Journal journal) : journal_(std::move(journal)) {}
  Journal journal_;
};

/// One measure of one round.
struct MeasureRow {
  std::int64_t round = 0;
  std::string name;
  double value = 0;
};

struct CellContents {
  CellHeader header;
  std::vector<RoundRow> rounds;
  std::vector<ParticipationRow> participations;
  Table figures;                      // further columns of the participations
  std::vector<MeasureRow> measures;   // in order of their rounds, then of their names
  Tables tables;                      // rows of all rounds, one after the other
  std::optional<CellResult> result;   // none while the cell is unfinished
  std::vector<ModelParameter> model;  // empty while there is no result
  std::uint64_t length = 0;           // bytes in the valid prefix of the journal
};

void pack(Packer& packer, const RoundRows& rows);
RoundRows unpack_round(Unpacker& unpacker);

/// The rounds of a journal up to its first torn record. Errors as in read_cell.
std::vector<RoundRows> read_rounds(const std::string& path);

/// Appends a round to what is known of a cell.
void add_round(CellContents& cell, RoundRows rows);

/// Everything up to the first torn record. UserError if the file is not the journal of a cell.
CellContents read_cell(const std::string& path);

}  // namespace shoal
