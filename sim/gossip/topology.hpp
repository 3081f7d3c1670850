#pragma once
// A topology says which nodes exchange their models, and with which weights they mix them.

#include <vector>

#include "sim/ids.hpp"
#include "sim/round/part.hpp"

namespace shoal {

/// A neighbour of a node and the weight of its model in the node's mean.
struct Link {
  ClientId to{};
  double weight = 0;
};

/// The graph over nodes 0 to n - 1, which may change from round to round. Its weights make a symmetric matrix W with
/// rows that sum to 1: w_ij > 0 for neighbours, and the rest of a row's weight is the node's own. So W is doubly
/// stochastic, and remains so while nodes are absent if their weight falls back to their neighbours.
class Topology : public RoundPart {
 public:
  /// The neighbours of `node` among `nodes` nodes in this round (1-based), sorted by their ids, without the node.
  virtual std::vector<Link> neighbours(ClientId node, std::int64_t nodes, std::int64_t round) const = 0;
  /// Number of rounds after which the graph repeats.
  virtual std::int64_t period(std::int64_t /*nodes*/) const { return 1; }
};

template <>
std::span<const Part<Topology>> parts<Topology>();  // generated from strategies/topologies

/// The weight of a link between nodes of these degrees: 1 / (1 + the larger degree), Metropolis-Hastings. In a regular
/// graph a node and its neighbours count equally.
double metropolis_weight(std::int64_t degree, std::int64_t other);

/// The links of one node of a graph in which all nodes have equally many neighbours. Sorts `neighbours`, and removes
/// duplicates and the node itself.
std::vector<Link> equal_links(ClientId node, std::vector<ClientId> neighbours);

/// W in a round as [n, n] in double.
at::Tensor mixing_matrix(const Topology& topology, std::int64_t nodes, std::int64_t round);

/// 1 - rho, where mixing reduces the nodes' distance from their mean by at least the factor rho per round: the second
/// singular value of W, or of the product over a period to the power 1 / period. 0 if some nodes never hear of others.
/// Costs n^3.
double spectral_gap(const Topology& topology, std::int64_t nodes);

/// BrokenInvariant if W is not as a Topology promises in one of the rounds of a period.
void check_weights(const Topology& topology, std::int64_t nodes);

}  // namespace shoal
