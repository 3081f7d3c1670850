// Are fixed-point sums the exact integers, at every size, on both sides of the fast path's limit?
#include "kernels/fixed_point.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/kernels/random_values.hpp"

namespace {

using shoal::testing::random_values;

using Sums = std::vector<std::int64_t>;

// Rounds half to even in long double, whose 64-bit mantissa holds x 2^exponent exactly for all values tested here.
__int128 exact_product(double x, std::int64_t weight, int exponent) {
  const long double wide = x, scaled = std::ldexp(wide, exponent);
  const long double below = std::floor(scaled);
  std::int64_t q = below;
  const long double rest = scaled - below;
  if (rest > 0.5L || (rest == 0.5L && q % 2 != 0)) ++q;
  return static_cast<__int128>(q) * weight;
}

template <class T>
class FixedPoint : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(FixedPoint, Reals);

TYPED_TEST(FixedPoint, SumsAreExactAtEverySize) {
  for (const std::size_t n : {0, 1, 31, 257, 8192, 8193, 1'000'003}) {
    Sums sum(n, 5);
    const auto a = random_values<TypeParam>(n, 1, 2.0), b = random_values<TypeParam>(n, 2, 2.0);
    shoal::accumulate<TypeParam>(sum, a, 17, 40);
    shoal::accumulate<TypeParam>(sum, b, -3, 40);
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_TRUE(sum[i] == 5 + exact_product(a[i], 17, 40) + exact_product(b[i], -3, 40)) << i << " of " << n;
  }
}

TYPED_TEST(FixedPoint, RoundsTiesToEven) {
  const std::vector<TypeParam> halves = {0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.25, 0.75, -0.75, 3.5};
  const Sums expected = {0, 2, 2, 0, -2, -2, 0, 1, -1, 4};
  Sums sum(halves.size());
  shoal::accumulate<TypeParam>(sum, halves, 1, 0);
  EXPECT_EQ(sum, expected);
  for (std::size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(shoal::fixed(halves[i], 0), expected[i]);
  Sums weighted(halves.size());
  shoal::accumulate<TypeParam>(weighted, halves, std::int64_t{1} << 55, 0);  // beyond the fast path
  for (std::size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(weighted[i], expected[i] << 55);
}

TYPED_TEST(FixedPoint, BothPathsAgreeAroundTheirBoundary) {
  // Magnitudes within a few units of 2^51 / weight, by weight and sign; each value alone, so each chooses its own path.
  for (const std::int64_t weight : {1, 2, 3, 7, -1, -5, 1000, 1 << 20}) {
    const double edge = 0x1p51 / std::abs(1.0 * weight);
    for (int step = -8; step <= 8; ++step) {
      for (const double sign : {1.0, -1.0}) {
        const std::vector<TypeParam> x = {static_cast<TypeParam>(sign * (edge + step * 0.5))};
        Sums sum(1);
        shoal::accumulate<TypeParam>(sum, x, weight, 0);
        ASSERT_TRUE(sum[0] == exact_product(x[0], weight, 0)) << x[0] << " * " << weight;
      }
    }
  }
}

TYPED_TEST(FixedPoint, LargeProductsAreExactUpToTheLimit) {
  // Every size of q and weight that fits 64 bits together, up to q near 2^63.
  for (int bits = 40; bits <= 62; ++bits)
    for (const std::int64_t weight :
         {std::int64_t{1}, std::int64_t{-3}, std::int64_t{1} << (62 - bits), (std::int64_t{1} << (62 - bits)) - 1}) {
      auto x = random_values<TypeParam>(257, bits, 1.0);
      x[3] = 1;
      x[4] = -1;
      if (bits == 62 && weight == -3) continue;
      Sums sum(x.size());
      shoal::accumulate<TypeParam>(sum, x, weight, bits);
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_TRUE(sum[i] == exact_product(x[i], weight, bits)) << x[i] << " * " << weight << " at 2^" << bits;
    }
}

TYPED_TEST(FixedPoint, LargeValuesDoNotDisturbTheirBlock) {
  auto x = random_values<TypeParam>(20'000, 3, 1.0);
  Sums fast(x.size()), mixed(x.size());
  shoal::accumulate<TypeParam>(fast, x, 9, 44);
  x[1234] = 4096;  // sends one block down the exact path
  shoal::accumulate<TypeParam>(mixed, x, 9, 44);
  fast[1234] = mixed[1234] = 0;
  EXPECT_EQ(fast, mixed);
}

TYPED_TEST(FixedPoint, AddsNothingForWeightZero) {
  Sums sum = {1, 2, 3};
  const std::vector<TypeParam> x = {1, -2, std::numeric_limits<TypeParam>::max()};
  shoal::accumulate<TypeParam>(sum, x, 0, 40);
  EXPECT_EQ(sum, (Sums{1, 2, 3}));
}

TYPED_TEST(FixedPoint, RowsEqualOneByOne) {
  for (const std::size_t d : {0, 1, 31, 257, 8193, 20'011}) {
    const std::size_t stride = d + 3;
    const auto values = random_values<TypeParam>(7 * stride, 4, 8.0);
    const Sums weights = {3, 0, -2, 1, 100, 7, std::int64_t{1} << 20};  // the last one leaves the fast path
    Sums together(d), single(d);
    const shoal::RowView<const TypeParam> rows(values.data(), 7, d, stride);
    shoal::accumulate_rows<TypeParam>(together, rows, weights, 38);
    for (int k = 0; k < 7; ++k) shoal::accumulate<TypeParam>(single, rows.row(k), weights[k], 38);
    EXPECT_EQ(together, single);
  }
}

TYPED_TEST(FixedPoint, DifferenceEqualsStoredDifference) {
  for (const std::size_t n : {0, 1, 31, 257, 1'000'003}) {
    const auto before = random_values<TypeParam>(n, 5, 1.0), after = random_values<TypeParam>(n, 6, 1.0);
    std::vector<TypeParam> difference(n);
    for (std::size_t i = 0; i < n; ++i) difference[i] = after[i] - before[i];
    Sums fused(n), stored(n);
    shoal::accumulate_difference<TypeParam>(fused, after, before, 12, 41);
    shoal::accumulate<TypeParam>(stored, difference, 12, 41);
    ASSERT_EQ(fused, stored);
  }
}

TYPED_TEST(FixedPoint, MeanIsTheWeightedMeanRoundedOnce) {
  const Sums sum = {std::int64_t{3} << 40, -(std::int64_t{1} << 39), 0, 1};
  std::vector<TypeParam> mean(4);
  shoal::to_mean<TypeParam>(sum, 40, 3.0, mean);
  EXPECT_EQ(mean[0], TypeParam{1});
  EXPECT_EQ(mean[1], static_cast<TypeParam>(-0.5 / 3.0));
  EXPECT_EQ(mean[2], TypeParam{0});
  EXPECT_EQ(mean[3], static_cast<TypeParam>(0x1p-40 / 3.0));
  EXPECT_THROW(shoal::to_mean<TypeParam>(sum, 40, 0.0, mean), std::invalid_argument);
  EXPECT_THROW(shoal::to_mean<TypeParam>(sum, 40, std::nan(""), mean), std::invalid_argument);
}

TYPED_TEST(FixedPoint, RefusesProductsThatDoNotFit) {
  Sums sum(2);
  for (const double bad : {1e30, -1e30, std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const std::vector<TypeParam> x = {1, static_cast<TypeParam>(bad)};
    EXPECT_THROW(shoal::accumulate<TypeParam>(sum, x, 1, 40), std::overflow_error) << bad;
    const std::vector<TypeParam> zero(2);
    EXPECT_THROW(shoal::accumulate_difference<TypeParam>(sum, x, zero, 1, 40), std::overflow_error) << bad;
  }
}

TYPED_TEST(FixedPoint, NamesTheFirstBadRow) {
  constexpr std::int64_t d = 9001;
  for (const std::int64_t count : {3, 20}) {  // added one by one, and in tiles
    auto values = random_values<TypeParam>(count * d, 7, 1.0);
    const Sums weights(count, 1);
    const shoal::RowView<const TypeParam> rows(values.data(), count, d);
    values[(count - 1) * d] = std::numeric_limits<TypeParam>::infinity();
    values[2 * d - 1] = std::numeric_limits<TypeParam>::quiet_NaN();  // later, but in row 1
    Sums sum(d);
    try {
      shoal::accumulate_rows<TypeParam>(sum, rows, weights, 40);
      FAIL() << "the error is missing";
    } catch (const std::overflow_error& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, 7), "row 1: ") << error.what();
    }
  }
}

TYPED_TEST(FixedPoint, RangesOfCoordinatesGiveTheWhole) {
  constexpr std::size_t d = 12'345, count = 13;
  const auto values = random_values<TypeParam>(count * d, 8, 1.0);
  const Sums weights(count, 600);
  for (const int exponent : {20, 45}) {
    Sums whole(d), parts(d);
    shoal::accumulate_rows<TypeParam>(whole, {values.data(), count, d}, weights, exponent);
    for (const auto& [begin, end] : {std::pair<std::size_t, std::size_t>{0, 1}, {1, 5000}, {5000, 5007}, {5007, d}})
      shoal::accumulate_rows<TypeParam>(std::span(parts).subspan(begin, end - begin),
                                        shoal::RowView<const TypeParam>(values.data() + begin, count, end - begin, d),
                                        weights, exponent);
    EXPECT_EQ(parts, whole);
  }
}

TYPED_TEST(FixedPoint, WeightsOfEverySizeAreExactInTiles) {
  // Sums of weights on both sides of every limit between one double, two and integers.
  constexpr std::size_t d = 67, count = 11;
  const auto values = random_values<TypeParam>(count * d, 9, 1.0);
  for (int bits = 0; bits < 60; bits += 3) {
    const int exponent = 58 - bits;
    Sums weights(count), sum(d);
    for (std::int64_t k = 0; k < std::ssize(weights); ++k)
      weights[k] = (k % 2 == 0 ? 1 : -1) * ((std::int64_t{1} << bits) - k);
    shoal::accumulate_rows<TypeParam>(sum, {values.data(), count, d}, weights, exponent);
    for (std::size_t i = 0; i < d; ++i) {
      __int128 expected = 0;
      for (std::size_t k = 0; k < count; ++k) expected += exact_product(values[k * d + i], weights[k], exponent);
      ASSERT_TRUE(sum[i] == expected) << bits << " bits, value " << i;
    }
  }
}

TYPED_TEST(FixedPoint, RefusesSizesThatDiffer) {
  Sums sum(2);
  const std::vector<TypeParam> two(2), three(3);
  std::vector<TypeParam> mean(3);
  EXPECT_THROW(shoal::accumulate<TypeParam>(sum, three, 1, 0), std::invalid_argument);
  EXPECT_THROW(shoal::accumulate_difference<TypeParam>(sum, two, three, 1, 0), std::invalid_argument);
  EXPECT_THROW(shoal::to_mean<TypeParam>(sum, 0, 1.0, mean), std::invalid_argument);
  const Sums weights(2);
  EXPECT_THROW(shoal::accumulate_rows<TypeParam>(sum, shoal::one_row(std::span<const TypeParam>(two)), weights, 0),
               std::invalid_argument);
}

}  // namespace
