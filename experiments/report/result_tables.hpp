#pragma once
// The numbers of the report.

#include <span>
#include <string>

#include "experiments/report/report.hpp"

namespace shoal {

/// One row per label; its place in `summaries` is the style of its curves. How well it did, and how the cells ended:
std::string quality_table(std::span<const LabelSummary> summaries);
/// What it took, and what was lost on the way:
std::string cost_table(std::span<const LabelSummary> summaries);

/// One row per cell.
std::string cell_table(std::span<const LabelSummary> summaries);

}  // namespace shoal
