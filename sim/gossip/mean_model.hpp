#pragma once
// The mean of all nodes' models, and how far they are from it.

#include "sim/gossip/gossip.hpp"
#include "sim/round/trainers.hpp"

namespace shoal {

struct MeanModel {
  at::Tensor params;              // [d]; NaN if a node's model is not finite
  double consensus_distance = 0;  // root mean square of the nodes' Euclidean distances from the mean
};

/// The exact mean in fixed point, rounded once: the same bits on any number of ranks and threads. Its unit follows from
/// the largest magnitude of all models. Collective; each rank sends 8 bytes per parameter and per node.
MeanModel mean_model(const Gossip& gossip, const GossipState& state, Communicator& comm, Trainers& trainers);

}  // namespace shoal
