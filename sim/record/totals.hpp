#pragma once
// The totals of a cell, computed from its rounds.

#include <span>

#include "sim/record/cell_journal.hpp"

namespace shoal {

/// Adds one round. `target` is the accuracy whose first round is recorded; 0: none.
void add_round(CellResult& totals, const RoundRow& row, double target);

/// Totals of a cell that is not finished; status "unfinished", no hash.
CellResult totals_so_far(std::span<const RoundRow> rounds, double target);

}  // namespace shoal
