#pragma once
// The numbers of the report.

#include <span>
#include <string>

#include "experiments/report/report.hpp"

namespace shoal {

/// One row per label: mean and deviation over seeds. Its place in `summaries` is the style of its curves.
std::string label_table(std::span<const LabelSummary> summaries);

/// One row per cell.
std::string cell_table(std::span<const LabelSummary> summaries);

/// The accuracy that all labels aim at, "90 %"; "target" where there are several.
std::string target_name(std::span<const LabelSummary> summaries);

}  // namespace shoal
