#pragma once
// The curves of the report.

#include <span>
#include <string>

#include "experiments/program/summary.hpp"

namespace shoal {

/// A legend and charts of accuracy against rounds, virtual time and uploaded bytes, and of the loss against rounds; of
/// the loss alone if there is no accuracy. A label's place in `summaries` is its style.
std::string charts(std::span<const LabelSummary> summaries);

}  // namespace shoal
