#pragma once
// The hash of a cell's result. It covers the contents of its tables and of its model, not how a file stores them.

#include <map>
#include <span>
#include <string>

#include "sim/digest.hpp"
#include "sim/files/safetensors.hpp"
#include "sim/record/cell_journal.hpp"
#include "sim/record/rows.hpp"

namespace shoal {

/// BLAKE2b-128 over one line of text per column and per parameter of the model:
///
///   TABLE/COLUMN HASH   for every column of every table of the cell, sorted by the bytes of TABLE/COLUMN
///   model/NAME HASH     then for every parameter of the model, in order of its attribute `position`
///
/// HASH is the BLAKE2b-128 of the values in the order of the rows, in hexadecimal: int64 and float64 values as their 8
/// bytes, float32 values as their 4 bytes, all little-endian; of a text column, each text and a line feed. Every line
/// ends with a line feed. `experiments/python/shoal/hashes.py` computes it from a run file.
///
/// Equal results have equal hashes on any number of ranks and after any restart. Wall time is not part of it.
class CellHash {
 public:
  CellHash();
  /// Adds a round; rounds come in order.
  void add(const RoundRows& rows);
  /// 32 hexadecimal digits. Call it once, after the last round.
  std::string finish(std::span<const ModelParameter> model);

 private:
  friend std::string hash_of(const CellContents& cell);
  void add_rows(std::span<const RoundRow> rounds, std::span<const ParticipationRow> participations);
  void add_measure(std::int64_t round, const std::string& name, double value);
  void add_table(const std::string& name, const Table& table);

  std::map<std::string, Digest> columns_;  // by TABLE/COLUMN
};

/// The same hash from a finished cell that was read back: from its rows and its model, whatever it states.
std::string hash_of(const CellContents& cell);

}  // namespace shoal
