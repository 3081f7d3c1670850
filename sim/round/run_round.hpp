#pragma once
// One round, from its plan to its record.

#include "sim/round/federation.hpp"
#include "sim/round/round_record.hpp"

namespace shoal {

/// Runs one server step: plans, trains, aggregates and updates the server's state. Collective over `comm`.
/// `train_clients` trains the blocks in place of `ClientSide::train`.
RoundRecord run_round(const Federation& federation, FederationState& state, Communicator& comm, Trainers& trainers,
                      const TrainClients& train_clients = {});

}  // namespace shoal
