// The complete graph: every node exchanges models with all others, so that one round of mixing makes all models equal
// to their mean. It costs n (n - 1) models a round.

#include "sim/gossip/topology.hpp"

namespace shoal::topologies {
namespace {

class Complete final : public Topology {
 public:
  std::vector<Link> neighbours(ClientId node, std::int64_t nodes, std::int64_t) const override {
    std::vector<Link> links;
    for (std::int64_t i = 0; i < nodes; ++i) {
      if (i != value(node)) links.push_back({ClientId{i}, metropolis_weight(nodes - 1, nodes - 1)});
    }
    return links;
  }
};

}  // namespace

std::unique_ptr<Topology> complete(Settings&) { return std::make_unique<Complete>(); }

}  // namespace shoal::topologies
