#pragma once
// One round of gossip, from its plan to its record.

#include "sim/gossip/gossip.hpp"
#include "sim/round/round_record.hpp"
#include "sim/round/trainers.hpp"

namespace shoal {

/// Every available node trains from its own model, sends a row to each neighbour, and mixes what it has received.
/// Collective. The record measures "consensus_distance", the root mean square of the nodes' distances from their mean.
RoundRecord run_gossip(const Gossip& gossip, GossipState& state, Communicator& comm, Trainers& trainers);

}  // namespace shoal
