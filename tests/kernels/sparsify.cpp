// Does top-k equal that of a full sort, with the lowest indices among equals, in four reads at most; do sent and
// remaining values add up to the whole; are random sets uniform; does a sparse sum equal the dense one?
#include "kernels/sparsify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>

#include "kernels/fixed_point.hpp"

namespace {

using testing::ElementsAre;
using Indices = std::vector<std::uint32_t>;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

Indices top(const std::vector<float>& x, std::size_t k) {
  Indices indices(k);
  shoal::top_k(x, indices);
  return indices;
}

Indices by_sorting(const std::vector<float>& x, std::size_t k) {
  Indices order(x.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](auto i, auto j) { return std::abs(x[i]) > std::abs(x[j]); });
  order.resize(k);
  std::ranges::sort(order);
  return order;
}

enum class Kind { normal, ties, zeros, wide, spike, late };

std::vector<float> row(std::size_t n, Kind kind) {
  std::mt19937 random(n + 7);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    const float z = normal(random);
    if (kind == Kind::normal) x[i] = z;
    if (kind == Kind::ties) x[i] = std::round(z);
    if (kind == Kind::zeros) x[i] = i % 97 == 0 ? -0.0f : 0.0f;
    if (kind == Kind::wide) x[i] = std::copysign(std::exp(30 * z), z);
    if (kind == Kind::spike) x[i] = i == n / 2 ? 1e30f : 1e-3f * z;
    if (kind == Kind::late) x[i] = i + 1 < n ? 0 : z;
  }
  return x;
}

TEST(TopK, ByHand) {
  EXPECT_THAT(top({1, -5, 3, 5, 0}, 1), ElementsAre(1));
  EXPECT_THAT(top({1, -5, 3, 5, 0}, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(top({2, 2, -2, 2}, 2), ElementsAre(0, 1));
  EXPECT_THAT(top({0, -0.f, 0}, 2), ElementsAre(0, 1));
  EXPECT_THAT(top({1, infinity, -infinity, 2}, 2), ElementsAre(1, 2));
  EXPECT_THAT(top({}, 0), ElementsAre());
}

TEST(TopK, EqualsAFullSort) {
  for (const std::size_t n : {1, 31, 257, 4099, 30'000}) {
    for (const Kind kind : {Kind::normal, Kind::ties, Kind::zeros, Kind::wide, Kind::spike, Kind::late}) {
      const auto x = row(n, kind);
      for (const std::size_t k : {std::size_t{0}, std::size_t{1}, n / 1000, n / 100, n / 10, n / 2, n - 1, n})
        EXPECT_EQ(top(x, k), by_sorting(x, k)) << k << " of " << n << ", kind " << static_cast<int>(kind);
    }
  }
}

TEST(TopK, ReadsTheRowFourTimesAtMost) {
  for (const Kind kind : {Kind::normal, Kind::ties, Kind::zeros, Kind::wide, Kind::spike, Kind::late}) {
    const auto x = row(1'000'003, kind);
    Indices indices(10'000);
    const int reads = shoal::top_k(x, indices);
    EXPECT_LE(reads, 4);
    EXPECT_TRUE(reads == 1 || (kind != Kind::normal && kind != Kind::wide));
    EXPECT_EQ(indices, by_sorting(x, indices.size()));
  }
}

// Periodic values of which the sample sees only small ones: the guess is wrong, the answer must not be.
TEST(TopK, IsRightWhenTheSampleMisleads) {
  std::vector<float> x(256 * 128);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 128 == 0 ? 0 : 1 + i % 1000;
  Indices indices(x.size() / 100);
  EXPECT_EQ(shoal::top_k(x, indices), 4);
  EXPECT_EQ(indices, by_sorting(x, indices.size()));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 128 == 0 ? 1e6f : 1.0f / (1 + i);
  EXPECT_EQ(shoal::top_k(x, indices), 4);
  EXPECT_EQ(indices, by_sorting(x, indices.size()));
}

TEST(TopK, RefusesNanWhereverItIs) {
  for (const std::size_t n : {5, 5000, 40'000}) {
    for (const std::size_t place : {std::size_t{0}, n / 3, n - 1}) {
      for (const float bad : {nan, -nan}) {
        auto x = row(n, Kind::normal);
        x[place] = bad;
        EXPECT_THROW(top(x, 1 + n / 100), std::invalid_argument);
        EXPECT_THROW(shoal::at_least(x, 2), std::invalid_argument);
      }
    }
  }
  EXPECT_THROW(top(std::vector<float>(9, nan), 2), std::invalid_argument);
  EXPECT_THROW(top({1, 2}, 3), std::invalid_argument);
}

// Stich et al. 2018, definition 2.1: the dropped squares are at most (1 - k / d) of all.
TEST(TopK, IsAContraction) {
  const auto x = row(20'000, Kind::wide);
  double all = 0;
  for (const double v : x) all += v * v;
  for (const std::size_t k : {1, 20, 200, 2000}) {
    double sent = 0;
    for (const auto i : top(x, k)) sent += std::pow(x[i], 2);
    EXPECT_GE(sent, all * k / x.size());
  }
}

TEST(AtLeast, SelectsFromTheThresholdOn) {
  EXPECT_THAT(shoal::at_least(std::vector<float>{1, -2, 1.5f, 2, -infinity, 0}, 2), ElementsAre(1, 3, 4));
  EXPECT_THAT(shoal::at_least(std::vector<float>{0, -0.f}, 0), ElementsAre(0, 1));
  for (const std::size_t n : {1, 31, 257, 1'000'003}) {
    const auto x = row(n, Kind::normal);
    Indices expected;
    for (std::size_t i = 0; i < n; ++i)
      if (std::abs(x[i]) >= 1.5f) expected.push_back(i);
    EXPECT_EQ(shoal::at_least(x, 1.5f), expected);
  }
  EXPECT_THROW(shoal::at_least(std::vector<float>{1}, -1), std::invalid_argument);
  EXPECT_THROW(shoal::at_least(std::vector<float>{1}, nan), std::invalid_argument);
}

// Karimireddy et al. 2019, algorithm 2: sent values and the memory add up to all updates; exactly, for integers.
TEST(ErrorFeedback, LosesNothing) {
  constexpr std::size_t d = 5000;
  std::mt19937 random(3);
  std::vector<float> memory(d), sent(d), updates(d);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> update(d), values(d / 50);
    for (float& value : update) {
      const int drawn = random() % 201;
      value = drawn - 100;
    }
    for (std::size_t i = 0; i < d; ++i) updates[i] += update[i];
    std::vector<float> expected_memory = memory;
    for (std::size_t i = 0; i < d; ++i) expected_memory[i] += update[i];
    const Indices expected = by_sorting(expected_memory, values.size());
    Indices indices(values.size());
    shoal::top_k_with_memory(memory, update, indices, values);
    ASSERT_EQ(indices, expected);
    for (std::size_t j = 0; j < indices.size(); ++j) {
      EXPECT_EQ(values[j], expected_memory[indices[j]]);
      sent[indices[j]] += values[j];
      expected_memory[indices[j]] = 0;
    }
    ASSERT_EQ(memory, expected_memory);
  }
  for (std::size_t i = 0; i < d; ++i) ASSERT_EQ(sent[i] + memory[i], updates[i]);
}

TEST(ErrorFeedback, KeepsEverythingIfNothingIsSent) {
  std::vector<float> memory = {1, 2}, values;
  Indices indices;
  shoal::top_k_with_memory(memory, std::vector<float>{10, 20}, indices, values);
  EXPECT_THAT(memory, ElementsAre(11, 22));
}

TEST(ErrorFeedback, AddsOnceWhenTheSampleMisleads) {
  std::vector<float> memory(256 * 128), update(memory.size()), values(300);
  for (std::size_t i = 0; i < update.size(); ++i) update[i] = i % 128 == 0 ? 0 : 1 + i % 1000;
  const auto expected = by_sorting(update, values.size());
  Indices indices(values.size());
  EXPECT_EQ(shoal::top_k_with_memory(memory, update, indices, values), 4);
  EXPECT_EQ(indices, expected);
  for (std::size_t j = 0; j < indices.size(); ++j) {
    EXPECT_EQ(values[j], update[indices[j]]);
    memory[indices[j]] = values[j];
  }
  EXPECT_EQ(memory, update);
}

TEST(RandomK, SetsAreSortedAndDistinct) {
  for (const std::uint32_t size : {1u, 31u, 64u, 257u, 1'000'003u}) {
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{size / 100}, std::size_t{size / 2},
                                std::size_t{size - 1}, std::size_t{size}}) {
      Indices indices(k);
      shoal::random_k({{1, 2}}, {{3, 4, 5, 0}}, size, indices);
      EXPECT_TRUE(std::ranges::adjacent_find(indices, std::greater_equal()) == indices.end());
      EXPECT_TRUE(k == 0 || indices.back() < size);
    }
  }
  Indices all(5);
  shoal::random_k({}, {}, 5, all);
  EXPECT_THAT(all, ElementsAre(0, 1, 2, 3, 4));
}

// Every pair of five is equally likely, for k = 2 and for its complement, k = 3. 20,000 draws: 2,000 +- 5 sigma.
TEST(RandomK, SubsetsAreUniform) {
  for (const std::size_t k : {2, 3}) {
    std::vector<int> counts(32);
    for (std::uint32_t client = 0; client < 20'000; ++client) {
      Indices indices(k);
      shoal::random_k({{9, 9}}, {{client, 0, 0, 0}}, 5, indices);
      std::size_t mask = 0;
      for (const auto i : indices) mask |= std::size_t{1} << i;
      ++counts[mask];
    }
    for (std::size_t mask = 0; mask < 32; ++mask)
      EXPECT_NEAR(counts[mask], std::cmp_equal(std::popcount(mask), k) ? 2000 : 0, 5 * std::sqrt(1800.0));
  }
}

// Independent sets of k = d / 1000 cover 1 - (1 - k / d)^n of all coordinates: 63.23 % after n = 1,000 clients.
TEST(RandomK, DifferentClientsDrawDifferentSets) {
  constexpr std::uint32_t d = 100'000;
  std::vector<char> covered(d);
  for (std::uint32_t client = 0; client < 1000; ++client) {
    Indices indices(d / 1000);
    shoal::random_k({{1, 1}}, {{client, 0, 0, 0}}, d, indices);
    for (const auto i : indices) covered[i] = 1;
  }
  EXPECT_NEAR(1.0 * std::ranges::count(covered, 1) / d, 0.63230, 0.006);
}

// Scaled by d / k, the mean squared error relative to the norm is d / k - 1, whatever x is (Stich et al. 2018).
TEST(RandomK, ScaledHasTheKnownVariance) {
  const auto x = row(200, Kind::normal);
  const double norm = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  double error = 0;
  constexpr int draws = 4000;
  for (std::uint32_t client = 0; client < draws; ++client) {
    Indices indices(20);
    shoal::random_k({{2, 1}}, {{client, 0, 0, 0}}, 200, indices);
    double sent = 0;
    for (const auto i : indices) sent += std::pow(x[i], 2);
    error += (norm - sent) + 81 * sent;  // (10 x - x)^2 where it is sent
  }
  EXPECT_NEAR(error / draws / norm, 9, 0.2);
}

TEST(RandomK, RefusesTooManyIndicesAndUsedCounters) {
  Indices indices(3);
  EXPECT_THROW(shoal::random_k({}, {}, 2, indices), std::invalid_argument);
  EXPECT_THROW(shoal::random_k({}, {{0, 0, 0, 1}}, 9, indices), std::invalid_argument);
}

TEST(ScatterAdd, EqualsTheDenseSum) {
  for (const std::size_t n : {1, 31, 257, 100'003}) {
    const auto x = row(n, Kind::normal);
    const auto indices = by_sorting(x, (n + 9) / 10);
    std::vector<float> values(indices.size()), dense(n);
    shoal::gather(x, indices, values);
    for (const auto i : indices) dense[i] = x[i];
    std::vector<std::int64_t> sum(n, 3), expected(n, 3);
    shoal::scatter_add(sum, indices, values, -7, 33);
    shoal::accumulate<float>(expected, dense, -7, 33);
    EXPECT_EQ(sum, expected);
  }
}

TEST(ScatterAdd, RefusesValuesThatDoNotFit) {
  std::vector<std::int64_t> sum(4);
  const auto add = [&](std::uint32_t index, float value, std::int64_t weight, int exponent) {
    shoal::scatter_add(sum, Indices{index}, std::vector<float>{value}, weight, exponent);
  };
  EXPECT_THROW(add(4, 1, 1, 0), std::out_of_range);
  for (const float bad : {nan, infinity, -infinity}) EXPECT_THROW(add(0, bad, 1, 0), std::overflow_error);
  EXPECT_THROW(add(0, 1, 1, 63), std::overflow_error);
  EXPECT_THROW(add(0, 2, std::int64_t{1} << 62, 0), std::overflow_error);
  EXPECT_THROW(add(0, 1, 1, 901), std::invalid_argument);
  add(1, -1, 1, 62);
  EXPECT_THAT(sum, ElementsAre(0, -(std::int64_t{1} << 62), 0, 0));
}

}  // namespace
