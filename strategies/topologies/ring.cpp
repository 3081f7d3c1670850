// A ring: every node exchanges models with the `reach` nodes before it and the `reach` nodes behind it, and weighs all
// of them and its own alike. Lian et al., NeurIPS 2017 (arXiv 1705.09056), use it with a reach of 1.

#include "sim/gossip/topology.hpp"

namespace shoal::topologies {
namespace {

class Ring final : public Topology {
 public:
  explicit Ring(const Settings& s) : reach_(s.integer("reach", 1, "neighbours on either side", at_least(1))) {}

  std::vector<Link> neighbours(ClientId node, std::int64_t nodes, std::int64_t) const override {
    std::vector<ClientId> near;
    for (std::int64_t step = 1; step <= reach_ && step < nodes; ++step) {
      near.push_back(ClientId{(value(node) + step) % nodes});
      near.push_back(ClientId{(value(node) + nodes - step) % nodes});
    }
    return equal_links(node, std::move(near));
  }

 private:
  std::int64_t reach_;
};

}  // namespace

std::unique_ptr<Topology> ring(Settings& settings) { return std::make_unique<Ring>(settings); }

}  // namespace shoal::topologies
