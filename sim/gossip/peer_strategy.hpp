#pragma once
// A peer strategy is an algorithm of decentralized learning: what a node computes from its own model and sends to its
// neighbours, and how it makes its next model from what it receives.

#include <ATen/TensorOperators.h>  // strategies are tensor expressions

#include <span>
#include <vector>

#include "sim/round/client_block.hpp"
#include "sim/round/part.hpp"

namespace shoal {

/// The results of training the K nodes of a block.
struct PeerUpdate {
  std::vector<Rows> sent;  // one Rows [K, size] per channel, which goes to every neighbour
  at::Tensor kept{};       // [K, m], handed to `mix` and then forgotten; undefined: nothing
};

/// The rows that a node mixes, in order of the nodes' ids: its own, and those of all neighbours that have sent one. A
/// row holds all channels one after the other.
struct Neighbourhood {
  std::vector<at::Tensor> rows;  // each [sum of the channels' sizes], on the host
  std::vector<double> weights;   // their weights, which sum to 1
  std::size_t own = 0;           // index of the node's own row
};

/// The weighted sum of the rows, added in their order: the same bits on any rank.
at::Tensor weighted_sum(const Neighbourhood& near);

/// The same code serves any number of nodes K in a block, and one node's result must not depend on the others. Nodes
/// have no server: of `RoundPart`, `check`, `notes` and `memory` are used.
class PeerStrategy : public RoundPart {
 public:
  /// The vectors that a node sends to each neighbour, by default its model.
  virtual std::vector<Channel> channels(const ParameterLayout& layout) const {
    return {{.name = "model", .size = layout.size, .weighting = Weighting::uniform}};
  }
  /// Trains the nodes of a block, which have the models `own` [K, d]. A node whose rows are not finite, or exceed a
  /// bound that their channel declares, sends nothing in this round and keeps its model and its memory.
  virtual PeerUpdate client_update(const at::Tensor& own, ClientBlock& nodes) const = 0;
  /// The next models [K, d] of the nodes of a block, on the host, as `kept` is. May use the nodes' memory, but not
  /// train.
  virtual at::Tensor mix(std::span<const Neighbourhood> near, const at::Tensor& kept, ClientBlock& nodes) const = 0;
};

template <>
std::span<const Part<PeerStrategy>> parts<PeerStrategy>();  // generated from strategies/peers

}  // namespace shoal
