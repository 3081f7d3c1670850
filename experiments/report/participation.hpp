#pragma once
// How clients took part: the report's section on time, waste, staleness and fairness.

#include <span>
#include <string>

#include "experiments/program/summary.hpp"

namespace shoal {

/// A table with one row per label, one of tiers if devices have some, and charts of staleness, of contributions by
/// client and of clients at work over the day, each only if it has something to show.
std::string participation_section(std::span<const LabelSummary> summaries);

}  // namespace shoal
