#pragma once
// Reads a cell's journal record by record: the memory is that of one round.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/record/cell_journal.hpp"

namespace shoal {

/// UserError unless a round's columns of a table are those of the rounds before.
void require_same_columns(const std::vector<Column>& before, const std::vector<Column>& now, const std::string& table,
                          std::int64_t round);

/// Called for the records of a journal in their order.
struct CellVisitor {
  std::function<void(CellHeader)> header;
  std::function<void(RoundRows)> round;
  std::function<void(ModelParameter)> parameter;
  std::function<void(CellResult)> result;
};
/// Visits the records within the first `most` bytes, one at a time, up to the first torn one. Returns the length of the
/// valid part that was read. UserError if the file is not the journal of a cell.
std::uint64_t visit_cell(const std::string& path, const CellVisitor& visitor, std::uint64_t most = ~std::uint64_t{0});

/// `read_cell` without the rows of clients, further tables and the model.
CellContents read_cell_rounds(const std::string& path);

}  // namespace shoal
