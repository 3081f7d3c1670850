#pragma once
// Phases of a protocol in which clients wait for each other (ProtocolPhase::waits).

#include "sim/round/world.hpp"

namespace shoal {

/// Lets participations that have all just started in `world`, on the same terms, wait for each other: sets
/// World::barriers, which has an entry for each phase of the protocol, the time from the start on at which a phase that
/// waits begins, and decides the fates anew. Up to the first such phase nothing changes. Does nothing if no phase
/// waits. Clients must not pause while they are offline (Offline::pause): who is waited for could not be told.
void hold_at_barriers(std::span<Participation> starts, const Terms& terms, World& world);

}  // namespace shoal
