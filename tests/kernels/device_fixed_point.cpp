// Does the device form of the exact sum give the host's integers and means, and name the first row that does not fit?
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "kernels/fixed_point.hpp"
#include "tests/kernels/device_test.hpp"
#include "tests/kernels/random_values.hpp"

namespace {

using shoal::DeviceArray;
using shoal::RowRange;
using shoal::RowView;
using shoal::testing::random_values;
using Sums = std::vector<std::int64_t>;

template <class T>
class DeviceFixedPoint : public Device {
 protected:
  DeviceArray<T> put(const std::vector<T>& values) const { return {device, std::span<const T>(values)}; }
  DeviceArray<std::int64_t> put(const Sums& values) const { return {device, std::span<const std::int64_t>(values)}; }

  // Adds the rows on the device and returns bad_row.
  std::int64_t add(DeviceArray<std::int64_t>& sum, const std::vector<T>& values, std::int64_t stride,
                   const Sums& weights, int exponent) const {
    const auto there = put(values);
    const auto there_weights = put(weights);
    auto bad_row = put(Sums{shoal::no_row});
    const RowView<const T> rows(there.data(), std::ssize(weights), sum.size(), stride);
    shoal::accumulate_rows<T>(device, sum.data(), rows, there_weights.data(), exponent, bad_row.data());
    return on_host(bad_row)[0];
  }
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(DeviceFixedPoint, Reals);

TYPED_TEST(DeviceFixedPoint, SumsEqualTheHost) {
  const Sums weights = {3, 0, -2, 1, 100, 7, std::int64_t{1} << 20, 5, -9, 600};
  const auto count = std::ssize(weights);
  for (const std::size_t d : {0, 1, 31, 257, 1'000'003}) {
    const std::int64_t stride = d + 3;
    const auto values = random_values<TypeParam>(count * stride, 1, 8.0);
    for (const int exponent : {20, 38}) {
      Sums expected(d, 5);
      shoal::accumulate_rows<TypeParam>(expected, RowView<const TypeParam>(values.data(), count, d, stride), weights,
                                        exponent);
      auto sum = this->put(Sums(d, 5));
      EXPECT_EQ(this->add(sum, values, stride, weights, exponent), shoal::no_row);
      ASSERT_EQ(this->on_host(sum), expected) << d << " values at 2^" << exponent;
    }
  }
}

TYPED_TEST(DeviceFixedPoint, RoundsTiesToEven) {
  const std::vector<TypeParam> halves = {0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.25, 0.75, -0.75, 3.5};
  auto sum = this->put(Sums(halves.size()));
  EXPECT_EQ(this->add(sum, halves, 10, {1}, 0), shoal::no_row);
  EXPECT_EQ(this->on_host(sum), (Sums{0, 2, 2, 0, -2, -2, 0, 1, -1, 4}));
}

TYPED_TEST(DeviceFixedPoint, NamesTheFirstRowThatDoesNotFit) {
  constexpr std::size_t d = 1031;
  const Sums weights(20, 1);
  for (const double bad : {1e30, -1e30, std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    auto values = random_values<TypeParam>(weights.size() * d, 2, 1.0);
    values[17 * d] = values[11 * d + 1030] = bad;
    auto sum = this->put(Sums(d));
    const std::int64_t row = this->add(sum, values, d, weights, 40);
    EXPECT_EQ(row, 11) << bad;
    EXPECT_THROW(shoal::require_no_row(row, 40), std::overflow_error);
  }
  EXPECT_NO_THROW(shoal::require_no_row(shoal::no_row, 40));
}

TYPED_TEST(DeviceFixedPoint, LimitsProductsLikeTheHost) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const double x : {0.0, 1.0, 2.0, 1024.0, 0x1p31, 0x1p61, 0x1p62, 0x1p63})
    for (const double sign : {1.0, -1.0})
      for (const std::int64_t weight :
           {std::int64_t{0}, std::int64_t{1}, std::int64_t{-2}, std::int64_t{1} << 32, (std::int64_t{1} << 53) - 1,
            std::int64_t{1} << 53, most, -most, std::numeric_limits<std::int64_t>::min()}) {
        auto sum = this->put(Sums(1));
        const std::int64_t bad = this->add(sum, {static_cast<TypeParam>(sign * x)}, 1, {weight}, 0);
        EXPECT_EQ(bad != shoal::no_row, weight != 0 && shoal::would_overflow(x, weight, 0)) << x << " * " << weight;
      }
}

TYPED_TEST(DeviceFixedPoint, IgnoresBadRowsOfWeightZero) {
  auto sum = this->put(Sums(2));
  const auto nan = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(this->add(sum, {nan, nan, 1, 2}, 2, {0, 3}, 0), shoal::no_row);
  EXPECT_EQ(this->on_host(sum), (Sums{3, 6}));
}

TYPED_TEST(DeviceFixedPoint, ScanEqualsTheHost) {
  using Limits = std::numeric_limits<TypeParam>;
  for (const std::int64_t d : {0, 1, 31, 257, 1'000'003}) {
    const std::size_t stride = d + 1;
    auto values = random_values<TypeParam>(4 * stride, 3, 2.0);
    if (d > 0) {
      values[stride] = Limits::quiet_NaN();
      values[3 * stride - 2] = -Limits::infinity();
      values[4 * stride - 2] = -7.25;
    }
    const auto there = this->put(values);
    DeviceArray<RowRange> ranges(this->device, 4);
    shoal::scan_rows<TypeParam>(this->device, {there.data(), 4, d, d + 1}, ranges.data());
    const auto found = this->on_host(ranges);
    for (std::size_t k = 0; k < 4; ++k) {
      const auto expected = shoal::scan<TypeParam>(std::span(values).subspan(k * stride, stride - 1));
      EXPECT_EQ(found[k].finite, expected.finite) << d << ", row " << k;
      EXPECT_EQ(found[k].max_abs, expected.max_abs) << d << ", row " << k;
    }
  }
}

TYPED_TEST(DeviceFixedPoint, MeanEqualsTheHost) {
  std::mt19937_64 random(4);
  for (const std::size_t d : {0, 1, 31, 257, 1'000'003}) {
    Sums sum(d);
    for (std::int64_t& value : sum) value = static_cast<std::int64_t>(random()) >> (random() % 60);
    std::vector<TypeParam> expected(d);
    shoal::to_mean<TypeParam>(sum, 40, 6001.0, expected);
    const auto there = this->put(sum);
    DeviceArray<TypeParam> mean(this->device, d);
    shoal::to_mean<TypeParam>(this->device, there.data(), d, 40, 6001.0, mean.data());
    ASSERT_EQ(this->on_host(mean), expected);
  }
  EXPECT_THROW(shoal::to_mean<TypeParam>(this->device, nullptr, 0, 40, 0.0, nullptr), std::invalid_argument);
}

}  // namespace
