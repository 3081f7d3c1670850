#pragma once
// The next instant at which a client can take part.

#include "sim/round/world.hpp"

namespace shoal {

/// The first instant from `from` on at which a client with examples is available, and, given a world, has enough left
/// of its quotas: exact for up to 10,000 clients, else the first for as many of them. UserError when none comes within
/// a bounded search.
Ticks next_available(const Task& task, const Population& population, Ticks from, const World* world = nullptr);

}  // namespace shoal
