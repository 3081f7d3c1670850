#pragma once
// The plan of a gossip round: who takes part, who exchanges rows with whom, and when the round ends.

#include <vector>

#include "sim/gossip/gossip.hpp"
#include "sim/round/round_record.hpp"
#include "sim/round/world.hpp"

namespace shoal {

/// A node that takes part in a round.
struct GossipStart {
  Participation participation;
  std::vector<Link> links;  // to the neighbours that are available at the start, sorted by their ids

  bool completes() const { return participation.outcome == Outcome::completes; }
};

struct GossipPlan {
  LocalSettings local;
  std::vector<GossipStart> starts;  // one for each available node, sorted by node
  Ticks time{};                     // when the slowest of them has finished or dropped out

  std::vector<Participation> completing() const;
};

/// Begins the next round and plans it: every available node starts. On the clock it receives a row from each available
/// neighbour, trains, and sends its own to each. A node that drops out sends nothing, and its neighbours mix without
/// it. If no node is available, the round ends at the next instant at which one is. The same on every rank, without
/// messages.
GossipPlan plan_gossip(const Gossip& gossip, GossipState& state);

/// The record of the round. `figures` has an entry for each completing node, in the plan's order.
RoundRecord describe_gossip(const Gossip& gossip, const GossipState& state, const GossipPlan& plan,
                            std::span<const ClientFigures> figures);

}  // namespace shoal
