// Is the graph of neighbours symmetric, regular, random and connected?
#include "sim/secure/neighbours.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace shoal {
namespace {

constexpr RandomKey key{3, 4};

TEST(Neighbours, AreSymmetricAndRegular) {
  for (const auto& [parties, degree] : {std::pair{2, 1}, {3, 2}, {5, 2}, {7, 4}, {50, 12}, {50, 49}, {101, 62}}) {
    const NeighbourGraph graph(parties, degree, key);
    for (std::int32_t a = 0; a < parties; ++a) {
      const std::vector<std::int32_t> own = graph.of(a);
      EXPECT_EQ(std::ssize(own), degree);
      EXPECT_EQ(std::set(own.begin(), own.end()).size(), own.size());
      EXPECT_TRUE(std::ranges::is_sorted(own));
      for (const std::int32_t b : own) {
        EXPECT_NE(a, b);
        EXPECT_TRUE(std::ranges::binary_search(graph.of(b), a)) << a << " and " << b;
      }
    }
  }
}

TEST(Neighbours, AreEveryoneWhereTheDegreeAllows) {
  EXPECT_EQ(NeighbourGraph(4, 10, key).degree(), 3);
  EXPECT_EQ(NeighbourGraph(4, 10, key).of(2), (std::vector<std::int32_t>{0, 1, 3}));
  EXPECT_TRUE(NeighbourGraph(1, 10, key).of(0).empty());
}

// Any two parties are neighbours with probability degree / (parties - 1), whatever their numbers.
TEST(Neighbours, AreDrawnAtRandom) {
  int adjacent = 0, next = 0;
  constexpr int graphs = 4000;
  for (std::uint32_t i = 0; i < graphs; ++i) {
    const std::vector<std::int32_t> own = NeighbourGraph(21, 4, {i, 1}).of(0);
    adjacent += std::ranges::count(own, 1);
    next += std::ranges::count(own, 20);
  }
  // A share of 0.2, with a standard deviation of 25 of 4000.
  EXPECT_NEAR(adjacent, 800, 125);
  EXPECT_NEAR(next, 800, 125);
}

TEST(Neighbours, HangTogether) {
  const NeighbourGraph graph(1000, 2, key);
  std::set<std::int32_t> seen = {0};
  std::vector<std::int32_t> open = {0};
  while (!open.empty()) {
    const std::int32_t party = open.back();
    open.pop_back();
    for (const std::int32_t other : graph.of(party)) {
      if (seen.insert(other).second) open.push_back(other);
    }
  }
  EXPECT_EQ(seen.size(), 1000U);
}

}  // namespace
}  // namespace shoal
