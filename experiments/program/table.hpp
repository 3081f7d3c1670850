#pragma once
// The comparison printed at the end of a run: one line per label, with means and deviations over seeds.

#include <limits>
#include <span>
#include <string>

#include "sim/record/cell_journal.hpp"

namespace shoal {

constexpr std::size_t no_width_limit = std::numeric_limits<std::size_t>::max();

/// Accuracy (or loss, in a task without accuracy) at the end and at its best, rounds and virtual time to the target,
/// bytes and dropouts per label. Text for a terminal, ending in a line break.
/// Columns beyond `width` follow below, with the labels again.
std::string comparison_table(std::span<const CellContents> cells, std::size_t width = no_width_limit);

}  // namespace shoal
