// A hypercube, one dimension a round: of n = 2^k nodes, each exchanges models with the one whose number differs in bit
// t mod k, and both keep their mean. After k rounds of mixing all models are equal. It is the one-peer exponential
// graph of Ying et al., NeurIPS 2021 (arXiv 2110.13363), with exchanges in both directions.

#include <bit>

#include "sim/error.hpp"
#include "sim/gossip/topology.hpp"
#include "sim/task/task.hpp"

namespace shoal::topologies {
namespace {

class Hypercube final : public Topology {
 public:
  void check(const Composition& all) const override {
    const std::int64_t nodes = all.task.clients();
    if (std::has_single_bit(static_cast<std::uint64_t>(nodes))) return;
    user_error("[topology] hypercube needs a power of two of nodes, not {}. Set the number of clients to {}.", nodes,
               std::bit_ceil(static_cast<std::uint64_t>(nodes)));
  }
  std::vector<Link> neighbours(ClientId node, std::int64_t nodes, std::int64_t round) const override {
    if (nodes == 1) return {};
    const std::int64_t bit = (round - 1) % period(nodes);
    return {{ClientId{value(node) ^ (std::int64_t{1} << bit)}, 0.5}};
  }
  std::int64_t period(std::int64_t nodes) const override {
    return std::max(1, std::countr_zero(static_cast<std::uint64_t>(nodes)));
  }
};

}  // namespace

std::unique_ptr<Topology> hypercube(Settings&) { return std::make_unique<Hypercube>(); }

}  // namespace shoal::topologies
