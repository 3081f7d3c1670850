#pragma once
// The report's section on studies of agents.

#include <span>
#include <string>

#include "experiments/program/summary.hpp"

namespace shoal {

/// Maps of the best objectives, paired comparisons, curves (sessions to contentment, rule rate, divergence ...) by
/// setting, and tables of yield and waiting; each only if the runs have its outcomes. Empty without studies.
std::string agent_section(std::span<const LabelSummary> summaries);

}  // namespace shoal
