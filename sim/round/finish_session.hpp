#pragma once
// The end of a round's session: the sums, or the rows after the attack and the rules.

#include <vector>

#include "sim/round/plan_round.hpp"

namespace shoal {

/// The outcome of a session for the server, the same on every rank.
struct SessionResult {
  std::vector<Aggregate> groups;  // with all means
  std::string aborted{};          // why the session has failed, or empty
  std::vector<RowSet> rows{};     // those of each group after the attack, if the strategy wants them
};

/// Ends the session that `collector` holds this rank's share of. If the aggregator gives rows, the attack changes those
/// of malicious clients, the rules are applied one after the other, and the weighted mean of the rows that are left is
/// the aggregate; a session without rows gives means 0. The weight of an aggregate is that of the rows that came in. A
/// round that has been abandoned has no session and no aggregates. `reference` is the server's own update, for rules
/// that want one. Collective.
SessionResult finish_session(Collector& collector, const PlannedRound& round, const Federation& federation,
                             FederationState& state, Communicator& comm, Trainers& trainers,
                             const at::Tensor& reference = {});

}  // namespace shoal
