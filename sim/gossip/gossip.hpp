#pragma once
// The composed parts of decentralized learning, and the state that changes while it runs.

#include <memory>
#include <string>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/clients/population.hpp"
#include "sim/gossip/peer_strategy.hpp"
#include "sim/gossip/topology.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// The parts of one cell: constant while it runs, the same on every rank. Every client is a node.
struct Gossip {
  std::uint64_t seed = 1;
  std::shared_ptr<const Task> task;
  std::shared_ptr<const Population> population;
  std::shared_ptr<const LocalTraining> local;
  std::shared_ptr<const Topology> topology;
  std::shared_ptr<const PeerStrategy> peer;

  std::int64_t nodes() const { return task->clients(); }
  std::vector<Channel> channels() const { return peer->channels(task->layout()); }
  /// Values and bytes of what a node sends to one neighbour.
  std::int64_t row_size() const;
  std::int64_t row_bytes() const;
  /// The names under which the peer strategy and the topology keep memory of the nodes, as in a federation.
  std::string peer_section() const;
  std::string topology_section() const;
  /// The tensors that every node keeps: first its model, then the memory of the parts.
  std::vector<MemorySlot> memory() const;

  /// Throws UserError if the parts do not fit together.
  void check() const;
  /// Lines that `shoal plan` prints.
  std::vector<std::string> notes() const;

 private:
  template <class Use>
  auto with_composition(const Use& use) const {
    const std::vector<Channel> all = channels();
    const LocalSettings first = local->at(1);
    const Composition composition{.parts = {peer.get(), topology.get()},
                                  .task = *task,
                                  .population = *population,
                                  .local = first,
                                  .channels = all};
    return use(composition);
  }
};

/// Everything that changes. The same on every rank except for the nodes' memory, of which each rank holds its part.
struct GossipState {
  static constexpr std::size_t model_slot = 0;
  static constexpr std::string_view model_section = "gossip";  // the slot "gossip/model" holds the nodes' models

  GossipState(const Gossip& gossip, int ranks, int rank);

  std::int64_t round = 0;  // number of rounds begun
  Ticks now{};             // virtual time
  ParticipationId next_id{};
  at::Tensor initial;   // [d], the model of every node before the first round, on the host; does not change
  at::Tensor mean;      // [d], of all nodes' models
  ClientMemory memory;  // a node without a record has the initial model
};

}  // namespace shoal
