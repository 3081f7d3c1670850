#pragma once
// The losses of clients before they are selected, which a planner requests with `probe`.

#include "sim/round/federation.hpp"

namespace shoal {

/// The mean loss of each client's training examples at the newest version; 0 for a client without examples. Collective:
/// the clients are spread over the ranks and two integers per client are summed. The same on any number of ranks.
std::vector<Probe> probe_losses(const std::vector<ClientId>& clients, const Federation& federation,
                                FederationState& state, Communicator& comm, Trainers& trainers);

/// The number of probed clients that were not started: they downloaded the model only to answer the probe.
std::int64_t only_probed(std::span<const Probe> probes, std::span<const Participation> starts);

}  // namespace shoal
