// Do add and the inexact weighted sum take their rows in the stated order, with the stated roundings?
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/vector_ops.hpp"
#include "tests/kernels/random_values.hpp"

namespace {

using shoal::RowView;
using shoal::testing::random_values;

template <class T>
class WeightedSum : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(WeightedSum, Reals);

TYPED_TEST(WeightedSum, TakesRowsInOrder) {
  const std::vector<double> weights = {0.5, -2, 0.1, 3, 1e-3, 0, 7};
  for (const std::size_t d : {0, 1, 31, 257, 2048, 2049, 100'003})
    for (std::size_t count = 0; count <= weights.size(); ++count) {
      const std::size_t stride = d + 2;
      const auto values = random_values<TypeParam>(count * stride, 1);
      const auto start = random_values<TypeParam>(d, 2);
      auto sum = start;
      shoal::weighted_sum_inexact<TypeParam>(sum, RowView<const TypeParam>(values.data(), count, d, stride),
                                             std::span(weights).first(count));
      for (std::size_t i = 0; i < d; ++i) {
        TypeParam expected = start[i];
        for (std::size_t k = 0; k < count; ++k) {
          const TypeParam weight = weights[k], product = weight * values[k * stride + i];
          expected += product;
        }
        ASSERT_EQ(sum[i], expected) << i << " of " << d << ", " << count << " rows";
      }
    }
}

TYPED_TEST(WeightedSum, SeveralCallsAndRangesGiveTheSameBits) {
  constexpr std::size_t d = 5003, count = 11;
  const auto values = random_values<TypeParam>(count * d, 3);
  std::vector<double> weights(count);
  for (std::size_t k = 0; k < count; ++k) weights[k] = 0.3 * k - 1;
  std::vector<TypeParam> whole(d), parts(d);
  shoal::weighted_sum_inexact<TypeParam>(whole, {values.data(), count, d}, weights);
  for (const auto& [begin, n] : {std::pair<std::size_t, std::size_t>{0, 1}, {1, 3000}, {3001, 2002}}) {
    const std::int64_t columns = n;
    const auto sum = std::span(parts).subspan(begin, n);
    shoal::weighted_sum_inexact<TypeParam>(sum, {values.data() + begin, 5, columns, d}, std::span(weights).first(5));
    shoal::weighted_sum_inexact<TypeParam>(sum, {values.data() + 5 * d + begin, 6, columns, d},
                                           std::span(weights).subspan(5));
  }
  EXPECT_EQ(parts, whole);
}

TYPED_TEST(WeightedSum, ErrorIsBoundedByItsRoundings) {
  constexpr std::size_t d = 257, count = 100;
  const auto values = random_values<TypeParam>(count * d, 4);
  const std::vector<double> weights(count, 0.7);
  std::vector<TypeParam> sum(d);
  shoal::weighted_sum_inexact<TypeParam>(sum, {values.data(), count, d}, weights);
  const double half_unit = double{std::numeric_limits<TypeParam>::epsilon()} / 2;
  for (std::size_t i = 0; i < d; ++i) {
    long double exact = 0, magnitudes = 0;
    for (std::size_t k = 0; k < count; ++k) {
      const long double weight = 0.7, product = weight * values[k * d + i];
      exact += product;
      magnitudes += std::abs(product);
    }
    // Higham 2002, section 4.2, with one more rounding each for the weight and the product.
    ASSERT_NEAR(sum[i], exact, (count + 2) * half_unit * magnitudes * 1.01);
  }
}

TYPED_TEST(WeightedSum, KeepsNanAndInfinityInTheirCoordinates) {
  std::vector<TypeParam> values(3 * 31, TypeParam{1}), sum(31);
  values[31 + 7] = std::numeric_limits<TypeParam>::quiet_NaN();
  values[62 + 9] = -std::numeric_limits<TypeParam>::infinity();
  shoal::weighted_sum_inexact<TypeParam>(sum, {values.data(), 3, 31}, std::vector<double>{1, 2, 3});
  for (std::size_t i = 0; i < sum.size(); ++i) {
    if (i == 7)
      EXPECT_TRUE(std::isnan(sum[i]));
    else
      EXPECT_EQ(sum[i], i == 9 ? -std::numeric_limits<TypeParam>::infinity() : TypeParam{6});
  }
}

TYPED_TEST(WeightedSum, AddAddsEveryValue) {
  for (const std::size_t n : {0, 1, 31, 257, 1'000'003}) {
    const auto x = random_values<TypeParam>(n, 5), start = random_values<TypeParam>(n, 6);
    auto y = start;
    shoal::add<TypeParam>(y, x);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(y[i], start[i] + x[i]);
  }
}

TYPED_TEST(WeightedSum, RefusesSizesThatDiffer) {
  std::vector<TypeParam> values(6), two(2), three(3);
  const RowView<const TypeParam> rows(values.data(), 2, 3);
  EXPECT_THROW(shoal::weighted_sum_inexact<TypeParam>(two, rows, std::vector<double>(2)), std::invalid_argument);
  EXPECT_THROW(shoal::weighted_sum_inexact<TypeParam>(three, rows, std::vector<double>(3)), std::invalid_argument);
  EXPECT_THROW(shoal::add<TypeParam>(three, two), std::invalid_argument);
}

}  // namespace
