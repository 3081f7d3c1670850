#pragma once
// The numbers of the report.

#include <span>
#include <string>

#include "experiments/report/report.hpp"

namespace shoal {

/// Accuracy and loss, and how the cells ended: one row per label. Its place in `summaries` is the style of its curves.
std::string quality_table(std::span<const LabelSummary> summaries);
/// Rounds, time, bytes, dropouts and rejected updates: one row per label.
std::string cost_table(std::span<const LabelSummary> summaries);

/// Everything of both, one row per cell.
std::string cell_table(std::span<const LabelSummary> summaries);

}  // namespace shoal
