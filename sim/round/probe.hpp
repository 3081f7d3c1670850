#pragma once
// The losses of clients before they are selected, which a planner requests with `probe`.

#include "sim/round/federation.hpp"

namespace shoal {

/// The mean loss of each client's training examples at the newest version; 0 for a client without examples. Collective:
/// the clients are spread over the ranks and two integers per client are summed. The same on any number of ranks.
std::vector<Probe> probe_losses(const std::vector<ClientId>& clients, const Federation& federation,
                                FederationState& state, Communicator& comm, Trainers& trainers);

/// Bytes of the downloads of clients that start, and of probed clients that do not: these download the model only to
/// answer the probe.
std::int64_t downloaded_bytes(const World& world, std::span<const Participation> starts);

}  // namespace shoal
