// A star: node 0 exchanges models with all others, and these with node 0 alone. Every link has the weight 1 / n
// (Metropolis-Hastings), so the mean of all models is kept. Node 0 sends and receives n - 1 models a round.

#include "sim/gossip/topology.hpp"

namespace shoal::topologies {
namespace {

class Star final : public Topology {
 public:
  std::vector<Link> neighbours(ClientId node, std::int64_t nodes, std::int64_t) const override {
    const double weight = metropolis_weight(nodes - 1, 1);
    if (node != hub) return {{hub, weight}};
    std::vector<Link> links;
    for (std::int64_t i = 1; i < nodes; ++i) links.push_back({ClientId{i}, weight});
    return links;
  }

 private:
  static constexpr ClientId hub{0};
};

}  // namespace

std::unique_ptr<Topology> star(Settings&) { return std::make_unique<Star>(); }

}  // namespace shoal::topologies
