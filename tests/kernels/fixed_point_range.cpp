// Does the chosen scale leave no room for overflow, and is every bad number noticed?
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/fixed_point.hpp"

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double not_a_number = std::nan("");
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

TEST(UnitExponent, IsTheLargestThatFits) {
  EXPECT_EQ(shoal::unit_exponent(1, 1), 61);
  EXPECT_EQ(shoal::unit_exponent(1, std::nextafter(1.0, 0.0)), 62);
  EXPECT_EQ(shoal::unit_exponent(10'000 * 1'000, 1), 38);
  for (const double weight : {1.0, 3.0, 1e3, 1e7, 0x1p40, 0x1p62})
    for (const double bound : {1e-300, 1e-30, 1e-3, 0.7, 1.0, 4.0, 1e10, 1e200}) {
      const int s = shoal::unit_exponent(weight, bound);
      const long double wide = weight, product = wide * bound;
      EXPECT_LT(std::ldexp(product, s), 0x1p62L);
      EXPECT_TRUE(s == shoal::largest_exponent || std::ldexp(product, s + 1) >= 0x1p62L);
    }
}

TEST(UnitExponent, RefusesWhatHasNoScale) {
  for (const double bad : {0.0, -1.0, infinity, -infinity, not_a_number}) {
    EXPECT_THROW(shoal::unit_exponent(bad, 1), std::invalid_argument) << bad;
    EXPECT_THROW(shoal::unit_exponent(1, bad), std::invalid_argument) << bad;
  }
  EXPECT_THROW(shoal::unit_exponent(0x1p63, 1), std::invalid_argument);
  EXPECT_THROW(shoal::unit_exponent(1e10, 1e300), std::invalid_argument);
}

TEST(UnitExponent, StopsAtTheLargestExponent) {
  EXPECT_EQ(shoal::unit_exponent(1, std::numeric_limits<double>::denorm_min()), shoal::largest_exponent);
  EXPECT_EQ(shoal::unit_exponent(0x1p-600, 0x1p-600), shoal::largest_exponent);  // the product underflows
}

TEST(UnitExponent, ACohortAtItsBoundFits) {
  const std::vector<std::int64_t> weights = {1, 999, 123'456'789};
  double total = 0;
  for (const std::int64_t weight : weights) total += weight;
  for (const float bound : {0.1f, 1.0f, 3.7f}) {
    const int exponent = shoal::unit_exponent(total, bound);
    std::vector<std::int64_t> sum(1);
    __int128 exact = 0;
    for (const std::int64_t weight : weights) {
      shoal::accumulate<float>(sum, std::vector<float>{bound}, weight, exponent);
      exact += static_cast<__int128>(shoal::fixed(bound, exponent)) * weight;
    }
    EXPECT_TRUE(sum[0] == exact);
    EXPECT_LT(exact, std::int64_t{1} << 62);
  }
}

TEST(WouldOverflow, IsExactAtTheLimit) {
  EXPECT_FALSE(shoal::would_overflow(1.0, most, 0));
  EXPECT_TRUE(shoal::would_overflow(2.0, most, 0));
  EXPECT_TRUE(shoal::would_overflow(1.0, std::numeric_limits<std::int64_t>::min(), 0));
  EXPECT_FALSE(shoal::would_overflow(0x1p62, 1, 0));
  EXPECT_TRUE(shoal::would_overflow(0x1p63, 1, 0));
  EXPECT_TRUE(shoal::would_overflow(1.0, 1, 63));
  EXPECT_FALSE(shoal::would_overflow(3037000499.0, 3037000499, 0));  // floor of sqrt(2^63)
  EXPECT_TRUE(shoal::would_overflow(3037000500.0, 3037000500, 0));
  EXPECT_TRUE(shoal::would_overflow(-3037000500.0, -3037000500, 0));
  EXPECT_FALSE(shoal::would_overflow(0.0, most, 0));
  EXPECT_TRUE(shoal::would_overflow(infinity, 1, 0));
  EXPECT_TRUE(shoal::would_overflow(not_a_number, 0, 0));
}

TEST(Fixed, ConvertsOrThrows) {
  EXPECT_EQ(shoal::fixed(0.75, 2), 3);
  EXPECT_EQ(shoal::fixed(-0x1p63, 0), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(shoal::fixed(5.0, -1), 2);
  EXPECT_EQ(shoal::fixed(1e-320, shoal::largest_exponent), 0);
  EXPECT_THROW(shoal::fixed(0x1p63, 0), std::overflow_error);
  EXPECT_THROW(shoal::fixed(infinity, 0), std::overflow_error);
  EXPECT_THROW(shoal::fixed(not_a_number, 0), std::overflow_error);
  EXPECT_THROW(shoal::fixed(1.0, shoal::largest_exponent + 1), std::invalid_argument);
}

template <class T>
class Scan : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(Scan, Reals);

TYPED_TEST(Scan, FindsTheLargestMagnitude) {
  for (const std::size_t n : {1, 31, 257, 1'000'003}) {
    std::vector<TypeParam> x(n, TypeParam{-0.5});
    for (const std::size_t where : {std::size_t{0}, n / 2, n - 1}) {
      x[where] = TypeParam{-7.25};
      const auto range = shoal::scan<TypeParam>(x);
      EXPECT_TRUE(range.finite);
      EXPECT_EQ(range.max_abs, 7.25);
      x[where] = TypeParam{-0.5};
    }
  }
}

TYPED_TEST(Scan, HandlesEmptyRowsAndZeros) {
  EXPECT_TRUE(shoal::scan<TypeParam>({}).finite);
  EXPECT_EQ(shoal::scan<TypeParam>({}).max_abs, 0.0);
  EXPECT_EQ(shoal::scan<TypeParam>(std::vector<TypeParam>{TypeParam{-0.0}, 0}).max_abs, 0.0);
}

TYPED_TEST(Scan, FindsOneBadValueAnywhere) {
  using Limits = std::numeric_limits<TypeParam>;
  for (const std::size_t n : {1, 31, 257, 1'000'003})
    for (const TypeParam bad : {Limits::quiet_NaN(), -Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()})
      for (const std::size_t where : {std::size_t{0}, n / 3, n - 1}) {
        std::vector<TypeParam> x(n, Limits::max());
        x[where] = bad;
        const auto range = shoal::scan<TypeParam>(x);
        ASSERT_FALSE(range.finite);
        ASSERT_EQ(range.max_abs, infinity);
      }
  EXPECT_EQ(shoal::scan<TypeParam>(std::vector<TypeParam>{Limits::max()}).max_abs, double{Limits::max()});
  EXPECT_EQ(shoal::scan<TypeParam>(std::vector<TypeParam>{Limits::denorm_min()}).max_abs, double{Limits::denorm_min()});
}

}  // namespace
