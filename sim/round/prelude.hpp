#pragma once
// The first exchange of a round, for strategies whose clients need a mean over their cohort before they train.

#include <map>
#include <string>
#include <vector>

#include "sim/round/plan_round.hpp"

namespace shoal {

struct Prelude {
  std::map<std::int32_t, Message> messages{};  // for each group, with the means as "prelude/NAME"; empty: no exchange
  std::vector<Aggregate> groups{};             // the means of each group
  std::string aborted{};                       // why the exchange has failed, or empty
};

/// The channels of the strategy's first exchange, with the sum settings applied. They need a mean, so codecs, rules and
/// attacks leave them alone.
std::vector<Channel> prelude_channels(const Federation& federation);

/// Adds the first exchange to the phases of a protocol, as the last two before the download: one pass over the client's
/// examples and the bytes up; then, once all have sent, the bytes down.
void add_prelude(std::vector<ProtocolPhase>& protocol, const Federation& federation, double expected_cohort);

/// The first exchange, with all that are committed and with those that drop out after it. The same bits on any number
/// of ranks. Collective.
Prelude run_prelude(const Federation& federation, FederationState& state, const PlannedRound& round, Communicator& comm,
                    Trainers& trainers);

}  // namespace shoal
