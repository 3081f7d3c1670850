// Are the weights of every topology doubly stochastic, and is the spectral gap that of the textbooks?

#include "sim/gossip/topology.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "sim/error.hpp"

namespace shoal {
namespace {

std::unique_ptr<Topology> topology(const std::string& toml) {
  return make_part<Topology>("topology", "", Settings::parse(toml, "test.toml"));
}

TEST(Topologies, AreDoublyStochastic) {
  for (const Part<Topology>& part : parts<Topology>()) {
    Settings none;
    const std::unique_ptr<Topology> graph = part.make(none);
    for (const std::int64_t nodes : {1, 2, 4, 8, 16}) {
      EXPECT_NO_THROW(check_weights(*graph, nodes)) << part.name << ", " << nodes << " nodes";
      const at::Tensor w = mixing_matrix(*graph, nodes, 1);
      EXPECT_TRUE(w.equal(w.t())) << part.name;
      EXPECT_LT((w.sum(0) - 1).abs().max().item<double>(), 1e-14) << part.name;
      EXPECT_GE(w.min().item<double>(), 0) << part.name;
      EXPECT_GT(spectral_gap(*graph, nodes), 0) << part.name << " is not connected";
    }
  }
}

TEST(Topologies, HaveTheSpectralGapsOfTheBooks) {
  // The ring's matrix is circulant: its eigenvalues are 1/3 + 2/3 cos(2 pi k / n).
  for (const std::int64_t n : {5, 12, 31}) {
    const double second = 1.0 / 3 + 2.0 / 3 * std::cos(2 * std::numbers::pi / static_cast<double>(n));
    EXPECT_NEAR(spectral_gap(*topology("name = \"ring\""), n), 1 - second, 1e-12) << n;
  }
  EXPECT_NEAR(spectral_gap(*topology("name = \"complete\""), 9), 1, 1e-12);
  // W = 1 - L / n, and the Laplacian L of a star has the eigenvalues 0, 1 and n.
  EXPECT_NEAR(spectral_gap(*topology("name = \"star\""), 9), 1.0 / 9, 1e-12);
  EXPECT_NEAR(spectral_gap(*topology("name = \"hypercube\""), 8), 1, 1e-12);
}

TEST(Topologies, KnowTheirNeighbours) {
  const auto ids = [](const std::vector<Link>& links) {
    std::vector<std::int64_t> all;
    for (const Link& link : links) all.push_back(value(link.to));
    return all;
  };
  using Ids = std::vector<std::int64_t>;
  const auto wide = topology("name = \"ring\"\nreach = 2");
  EXPECT_EQ(ids(wide->neighbours(ClientId{0}, 7, 1)), (Ids{1, 2, 5, 6}));
  EXPECT_EQ(wide->neighbours(ClientId{0}, 7, 1).front().weight, 0.2);
  EXPECT_EQ(ids(wide->neighbours(ClientId{1}, 4, 1)), (Ids{0, 2, 3}));  // every other node once
  EXPECT_EQ(ids(topology("name = \"star\"")->neighbours(ClientId{3}, 5, 1)), (Ids{0}));
  const auto cube = topology("name = \"hypercube\"");
  for (const std::int64_t round : {1, 2, 3, 4}) {
    const std::int64_t bit = std::int64_t{1} << ((round - 1) % 3);
    EXPECT_EQ(ids(cube->neighbours(ClientId{5}, 8, round)), (Ids{5 ^ bit}));
  }
}

// A directed ring; its weights are doubly stochastic until a node is absent.
class OneWay final : public Topology {
 public:
  std::vector<Link> neighbours(ClientId node, std::int64_t nodes, std::int64_t) const override {
    return {{ClientId{(value(node) + 1) % nodes}, 0.5}};
  }
};

TEST(Topologies, AreRefusedWithoutALinkBack) { EXPECT_THROW(check_weights(OneWay(), 4), BrokenInvariant); }

}  // namespace
}  // namespace shoal
