#pragma once
// Losses of clients before they are chosen, which a planner's `probe` asks for.

#include "sim/round/federation.hpp"

namespace shoal {

/// The mean loss of each client's training examples at the newest version; 0 for a client without examples. Collective;
/// the clients are spread over the ranks, and two integers each are summed, so the same on any number of ranks.
std::vector<Probe> probe_losses(const std::vector<ClientId>& clients, const Federation& federation,
                                FederationState& state, Communicator& comm, Trainers& trainers);

/// How many of the probed clients were not started: those have downloaded the model for their answer only.
std::int64_t only_probed(std::span<const Probe> probes, std::span<const Participation> starts);

}  // namespace shoal
