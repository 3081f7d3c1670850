// Which sums of honest clients' words can a server compute with the help of corrupt clients? Everything linear that it
// can do is to combine masked words so that all masks cancel which it does not know: the masks of clients and of the
// server are taken as they are made, and told apart by their keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "sim/secure/masking_session.hpp"

namespace shoal {
namespace {

constexpr std::int64_t prime = 2'147'483'647;

using Matrix = std::vector<std::vector<std::int64_t>>;
using StreamKey = std::vector<std::uint32_t>;

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (; exponent > 0; exponent >>= 1, base = base * base % prime) {
    if (exponent & 1) result = result * base % prime;
  }
  return result;
}

std::size_t rank(Matrix m) {
  std::size_t found = 0;
  const std::size_t columns = m.empty() ? 0 : m[0].size();
  for (std::size_t c = 0; c < columns && found < m.size(); ++c) {
    const auto pivot = std::find_if(m.begin() + static_cast<std::ptrdiff_t>(found), m.end(),
                                    [&](const auto& row) { return row[c] != 0; });
    if (pivot == m.end()) continue;
    std::swap(*pivot, m[found]);
    const std::int64_t inverse = power(m[found][c], prime - 2);
    for (std::size_t r = found + 1; r < m.size(); ++r) {
      const std::int64_t factor = m[r][c] * inverse % prime;
      for (std::size_t k = c; k < columns; ++k) {
        m[r][k] = ((m[r][k] - factor * m[found][k]) % prime + prime) % prime;
      }
    }
    ++found;
  }
  return found;
}

StreamKey key_of(const Mask& mask) { return {mask.stream.key, mask.stream.key + 8}; }

struct World {
  std::int64_t degree;
  bool keeps_own;
  std::vector<Reached> reached;
  std::set<Party> corrupt;
  std::set<Party> both_shares{};  // clients whose two secrets the server has
};

struct Leak {
  std::size_t honest = 0;      // clients whose words have arrived
  std::size_t dimensions = 0;  // dimensions of the space of sums that the adversary can compute
  bool only_the_sum = false;   // whether the sum of all spans that space
};

Leak leak(const World& world) {
  const auto parties = static_cast<Party>(world.reached.size());
  const auto session = [&] {
    return MaskingSession({.threshold = 2}, NeighbourGraph(parties, world.degree, {4, 5}), world.keeps_own,
                          [](Party party) { return Transcript("leak").add(party).hash(); });
  };
  MaskingSession honest = session();
  std::set<StreamKey> known;
  std::vector<Party> rows;
  for (Party party = 0; party < parties; ++party) {
    if (world.reached[party] < Reached::shared) continue;
    if (world.corrupt.contains(party)) {
      for (const Mask& mask : honest.masks(party, world.reached)) known.insert(key_of(mask));
    } else if (world.reached[party] >= Reached::sent) {
      rows.push_back(party);
    }
    for (const Mask& mask : honest.removal(party, world.reached)) known.insert(key_of(mask));
    if (!world.both_shares.contains(party)) continue;
    // The other secret, from clients that answer a second question: those of a second session here.
    MaskingSession second = session();
    std::vector<Reached> claimed = world.reached;
    claimed[party] = Reached::shared;
    for (const Mask& mask : second.removal(party, claimed)) known.insert(key_of(mask));
  }
  std::map<StreamKey, std::size_t> columns;
  std::vector<std::vector<Mask>> masks;
  for (const Party party : rows) {
    masks.push_back(honest.masks(party, world.reached));
    for (const Mask& mask : masks.back()) {
      if (!known.contains(key_of(mask))) columns.emplace(key_of(mask), columns.size());
    }
  }
  Matrix m(rows.size(), std::vector<std::int64_t>(columns.size(), 0));
  std::vector<std::int64_t> sums(columns.size(), 0);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (const Mask& mask : masks[r]) {
      const auto column = columns.find(key_of(mask));
      if (column == columns.end()) continue;
      m[r][column->second] = mask.sign == MaskSign::plus ? 1 : prime - 1;
      sums[column->second] += mask.sign == MaskSign::plus ? 1 : -1;
    }
  }
  const bool sum_opens = std::ranges::all_of(sums, [](std::int64_t sum) { return sum == 0; });
  const std::size_t free = rows.size() - rank(m);
  return {.honest = rows.size(), .dimensions = free, .only_the_sum = free == 1 && sum_opens};
}

TEST(LinearLeak, IsTheReleasedSumAlone) {
  std::mt19937 random(11);
  int tried = 0, with_lost = 0, with_corrupt = 0;
  while (tried < 150) {
    const auto parties = static_cast<Party>(5 + random() % 5);
    World world{.degree = parties - 1, .keeps_own = true, .reached = {}};
    for (Party party = 0; party < parties; ++party) {
      world.reached.push_back(random() % 4 != 0 ? Reached::answered : static_cast<Reached>(random() % 4));
      if (random() % 4 == 0) world.corrupt.insert(party);
    }
    if (std::ranges::count(world.reached, Reached::answered) < 2) continue;
    const Leak found = leak(world);
    if (found.honest < 2) continue;
    ++tried;
    with_lost += std::ranges::count(world.reached, Reached::shared) > 0 ? 1 : 0;
    with_corrupt += world.corrupt.empty() ? 0 : 1;
    EXPECT_TRUE(found.only_the_sum) << found.dimensions << " dimensions of " << found.honest << " honest clients";
  }
  EXPECT_GT(with_lost, 30);
  EXPECT_GT(with_corrupt, 80);
}

// On a ring of neighbours, two corrupt clients cut it in two: the sum of either part follows.
TEST(LinearLeak, GrowsWhereTheGraphIsCut) {
  const std::vector<Reached> all(9, Reached::answered);
  EXPECT_TRUE(leak({.degree = 2, .keeps_own = true, .reached = all}).only_the_sum);
  const NeighbourGraph ring(9, 2, {4, 5});
  const std::vector<Party> neighbours = ring.of(0);
  const Leak cut = leak({.degree = 2, .keeps_own = true, .reached = all, .corrupt = {neighbours[0], neighbours[1]}});
  EXPECT_EQ(cut.honest, 7U);
  EXPECT_EQ(cut.dimensions, 2U);  // client 0 alone, and all others
}

// Both secrets of a client give its own words.
TEST(LinearLeak, GrowsWithBothSecretsOfAClient) {
  const std::vector<Reached> all(7, Reached::answered);
  World world{.degree = 6, .keeps_own = true, .reached = all};
  EXPECT_EQ(leak(world).dimensions, 1U);
  world.both_shares = {3};
  EXPECT_EQ(leak(world).dimensions, 2U);
}

}  // namespace
}  // namespace shoal
