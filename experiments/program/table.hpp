#pragma once
// The comparison printed at the end of a run: one line per label, with means and deviations over seeds.

#include <span>
#include <string>

#include "sim/record/cell_journal.hpp"

namespace shoal {

/// Accuracy (or loss, in a task without accuracy) at the end and at its best, rounds and virtual time to the target,
/// bytes and dropouts per label. Text for a terminal, ending in a line break.
std::string comparison_table(std::span<const CellContents> cells);

}  // namespace shoal
