// Are norms, clipping, scaling and axpy right on rows with gaps, at every size, and with NaN and infinity?
#include "kernels/vector_ops.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tests/kernels/random_values.hpp"

namespace {

using shoal::testing::random_values;

template <class T>
class VectorOps : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(VectorOps, Reals);

TYPED_TEST(VectorOps, NormAgreesWithLongDouble) {
  for (const std::size_t n : {0, 1, 31, 257, 4096, 4097, 1'000'003}) {
    const auto x = random_values<TypeParam>(n, 1);
    long double squares = 0;
    for (const long double v : x) squares += v * v;
    const double expected = std::sqrt(squares);
    // At most 128 + 5 + 245 additions in a chain, each half a unit of double, halved by the root.
    EXPECT_NEAR(shoal::norm<TypeParam>(x), expected, 6e-14 * expected);
  }
}

TYPED_TEST(VectorOps, NormOfNanAndInfinityPropagates) {
  auto x = random_values<TypeParam>(257, 2);
  x[200] = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_TRUE(std::isnan(shoal::norm<TypeParam>(x)));
  x[200] = -std::numeric_limits<TypeParam>::infinity();
  EXPECT_EQ(shoal::norm<TypeParam>(x), std::numeric_limits<double>::infinity());
}

TYPED_TEST(VectorOps, NormDoesNotDependOnAlignment) {
  const auto x = random_values<TypeParam>(9'000, 3);
  std::vector<TypeParam> shifted(x.size() + 8);
  const double expected = shoal::norm<TypeParam>(x);
  for (std::size_t offset = 0; offset < 8; ++offset) {
    std::copy(x.begin(), x.end(), shifted.begin() + offset);
    EXPECT_EQ(shoal::norm<TypeParam>(std::span(shifted).subspan(offset, x.size())), expected);
  }
}

TYPED_TEST(VectorOps, NormsScaleAndClipWorkRowByRow) {
  std::vector<TypeParam> x = {3, 4, 99, 0, 0, 99, 6, 8, 99};  // [3, 2] with stride 3
  const shoal::RowView<TypeParam> rows(x.data(), 3, 2, 3);
  std::vector<double> norms(3);
  shoal::norms<TypeParam>(rows, norms);
  EXPECT_EQ(norms, (std::vector<double>{5, 0, 10}));

  shoal::scale_rows<TypeParam>(rows, std::vector<double>{2, 3, -0.5});
  EXPECT_EQ(x, (std::vector<TypeParam>{6, 8, 99, 0, 0, 99, -3, -4, 99}));

  shoal::clip_rows<TypeParam>(rows, 5, norms);
  EXPECT_EQ(norms, (std::vector<double>{10, 0, 5}));
  EXPECT_EQ(x, (std::vector<TypeParam>{3, 4, 99, 0, 0, 99, -3, -4, 99}));
}

TYPED_TEST(VectorOps, ClippedRowsLieOnTheBound) {
  auto x = random_values<TypeParam>(3 * 1001, 4);
  const shoal::RowView<TypeParam> rows(x.data(), 3, 1001);
  std::vector<double> before(3), after(3);
  shoal::clip_rows<TypeParam>(rows, 0.25, before);
  shoal::norms<TypeParam>(rows, after);
  for (const double length : after) EXPECT_NEAR(length, 0.25, 0.25 * 2 * std::numeric_limits<TypeParam>::epsilon());
}

TYPED_TEST(VectorOps, AxpyAddsTheMultiple) {
  for (const std::size_t n : {0, 1, 31, 257, 1'000'003}) {
    const auto x = random_values<TypeParam>(n, 5);
    auto y = random_values<TypeParam>(n, 6);
    const auto start = y;
    shoal::axpy<TypeParam>(y, -1.5, x);
    for (std::size_t i = 0; i < n; ++i) {
      const TypeParam product = TypeParam{-1.5} * x[i];
      ASSERT_EQ(y[i], start[i] + product);
    }
  }
}

TYPED_TEST(VectorOps, RefusesWrongSizesAndBounds) {
  std::vector<TypeParam> x(6);
  const shoal::RowView<TypeParam> rows(x.data(), 2, 3);
  std::vector<double> two(2), three(3);
  EXPECT_THROW(shoal::norms<TypeParam>(rows, three), std::invalid_argument);
  EXPECT_THROW(shoal::scale_rows<TypeParam>(rows, three), std::invalid_argument);
  EXPECT_THROW(shoal::clip_rows<TypeParam>(rows, 1, three), std::invalid_argument);
  for (const double bad : {0.0, -1.0, std::nan("")})
    EXPECT_THROW(shoal::clip_rows<TypeParam>(rows, bad, two), std::invalid_argument);
  EXPECT_THROW(shoal::axpy<TypeParam>(x, 1, std::vector<TypeParam>(5)), std::invalid_argument);
}

}  // namespace
