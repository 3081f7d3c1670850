#pragma once
// Chooses the integer scales of a round's sums.

#include "sim/round/aggregator.hpp"
#include "sim/round/planner.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// The integer scale of each channel, chosen from the plan's total weight and the channel's bound before anything is
/// trained. Leaves out who takes part in the session, and its key.
AggregationPlan plan_sums(std::span<const Wire> wires, const RoundPlan& round, std::span<const Participation> committed,
                          const Task& task);

}  // namespace shoal
