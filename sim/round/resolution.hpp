#pragma once
// Whether the exact sums of a round keep enough of the updates.

#include "sim/round/federation.hpp"

namespace shoal {

/// The sums of a round count values in multiples of a power of two that is chosen from the bound on values and the
/// total weight. Throws UserError where that unit is coarser than this one: updates would vanish in the rounding.
inline constexpr double coarsest_unit = 0x1p-20;

/// `plan` is that of a session or of a first exchange. Looks at channels that are summed exactly.
void require_resolution(const AggregationPlan& plan, const Federation& federation);
/// The same before the first round, for the cohort that the planner expects and clients of mean size.
void require_resolution(const Federation& federation, const Composition& all);

}  // namespace shoal
