#pragma once
// The next instant at which a client can take part.

#include "sim/round/world.hpp"

namespace shoal {

/// The first instant from `from` on at which a client with examples is available and, if a world is given, has enough
/// left of its daily quotas. Exact for up to 10,000 clients; in larger populations 10,000 of the clients are searched.
/// UserError if a bounded search finds no such instant.
Ticks next_available(const Task& task, const Population& population, Ticks from, const World* world = nullptr);

}  // namespace shoal
