#pragma once
// How long clients take, as predicted from their devices and their work.

#include "sim/round/planner.hpp"

namespace shoal::planners {

/// Predicted durations of at most `most` clients with examples, drawn at random; ascending.
std::vector<Ticks> predicted_durations(std::int64_t most, const World& world);

/// The median of up to 1,001 clients' predicted durations in the first round that needs it; kept in the state.
Ticks typical_duration(State& state, const World& world);

}  // namespace shoal::planners
