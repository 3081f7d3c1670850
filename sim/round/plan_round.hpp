#pragma once
// The planning step of a round: one for runs, for `shoal plan` and for tests of planners.

#include <functional>
#include <vector>

#include "sim/round/federation.hpp"

namespace shoal {

/// A round that is planned and not trained yet.
struct PlannedRound {
  LocalSettings local;            // how clients that start in it train
  std::vector<Channel> channels;  // what clients return
  World world;                    // before the step, but for `in_flight`, which is the state's
  RoundPlan plan;
  std::vector<Participation> committed;  // those of plan.commits, in their order
  std::vector<Participation> dropouts;   // those of plan.dropouts; told to stop: as they end now
};

/// Where the losses of probed clients come from: those at the newest version, in the order of the list.
using ProbeLosses = std::function<std::vector<Probe>(const std::vector<ClientId>&)>;

/// Begins the next round and plans it. Afterwards the participations that it starts are in flight, and the clock shows
/// the time of the step. The same on every rank; makes no messages beside those of `losses`.
PlannedRound plan_round(const Federation& federation, FederationState& state, const ProbeLosses& losses);

/// The planner's next server step, with its probes answered in `world`. Time always passes: when nobody starts and
/// nobody is in flight, because nobody is available, the round is abandoned and ends at the next instant at which a
/// client is. What clients have spent today is kept in the planner's state, "used today", where there are quotas.
RoundPlan ask_planner(const Planner& planner, State& state, World& world, const ProbeLosses& losses);

/// Takes what the plan has committed or given up out of the participations in flight, and forgets the versions that
/// none of the others needs.
void end_participations(const RoundPlan& plan, FederationState& state);

}  // namespace shoal
