#pragma once
// The planning step of a round, which runs, `shoal plan` and tests of planners share.

#include <functional>
#include <vector>

#include "sim/round/federation.hpp"

namespace shoal {

/// A round that is planned but not trained yet.
struct PlannedRound {
  LocalSettings local;  // local training of clients that start in this round
  World world;          // the world before the step, except that `in_flight` refers to the current state
  RoundPlan plan;
  std::vector<Participation> committed;  // participations of plan.commits, in their order
  std::vector<Participation>
      dropouts;               // participations of plan.dropouts; those that were stopped end at the time of the plan
  AggregationPlan session{};  // how the updates are combined; of all that were committed, even if it is refused
  std::string reason{};       // why the session was refused or has failed; otherwise empty
};

/// Returns the losses of probed clients at the newest version, in the order of the list.
using ProbeLosses = std::function<std::vector<Probe>(const std::vector<ClientId>&)>;

/// Begins the next round and plans it. Afterwards the participations that it starts are in flight, and the clock shows
/// the time of the step. The aggregator may refuse the session. The same on every rank; sends no messages except those
/// of `losses`.
PlannedRound plan_round(const Federation& federation, FederationState& state, const ProbeLosses& losses);

/// The session of all that end with the round.
AggregationPlan plan_session(const PlannedRound& round, const Federation& federation, const ClientSide& side);

/// The planner's next server step, with its probes answered in `world`. Time always passes: if no client starts and
/// none is in flight, because none is available, the round is abandoned and ends at the next instant at which a client
/// is available. With daily quotas, the planner's state keeps today's use of the clients in its blob "used today".
RoundPlan ask_planner(const Planner& planner, State& state, World& world, const ProbeLosses& losses);

/// Turns the commits into dropouts, whatever they have done, because of a session that cannot be completed.
void abandon(PlannedRound& round, std::string reason);

/// Removes the plan's commits and dropouts from the participations in flight, and all versions of the model that none
/// of the others needs.
void end_participations(const RoundPlan& plan, FederationState& state);

}  // namespace shoal
