#pragma once
// One round, from its plan to its record.

#include "sim/round/federation.hpp"
#include "sim/round/round_record.hpp"

namespace shoal {

/// Plans, trains, aggregates and updates: one server step. Collective over `comm`.
RoundRecord run_round(const Federation& federation, FederationState& state, Communicator& comm, Trainers& trainers);

}  // namespace shoal
