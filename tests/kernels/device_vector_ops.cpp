// Do the device forms of the vector operations give the host's bits, row by row?
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/vector_ops.hpp"
#include "tests/kernels/device_test.hpp"
#include "tests/kernels/random_values.hpp"

namespace {

using shoal::DeviceArray;
using shoal::RowView;
using shoal::testing::random_values;

constexpr std::int64_t count = 3;
constexpr std::int64_t sizes[] = {0, 1, 31, 257, 4096, 4097, 1'000'003};

template <class T>
class DeviceVectorOps : public Device {
 protected:
  template <class U>
  DeviceArray<U> put(const std::vector<U>& values) const {
    return {device, std::span<const U>(values)};
  }

  // [count, d] with a gap behind each row.
  template <class U>
  static RowView<U> rows(U* data, std::int64_t d) {
    return {data, count, d, d + 1};
  }
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(DeviceVectorOps, Reals);

TYPED_TEST(DeviceVectorOps, NormsEqualTheHost) {
  for (const std::int64_t d : sizes) {
    const auto values = random_values<TypeParam>(count * (d + 1), 1);
    const auto there = this->put(values);
    std::vector<double> expected(count);
    shoal::norms<TypeParam>(this->rows(values.data(), d), expected);
    DeviceArray<double> norms(this->device, count);
    shoal::norms<TypeParam>(this->device, this->rows(there.data(), d), norms.data());
    EXPECT_EQ(this->on_host(norms), expected) << d;
  }
}

TYPED_TEST(DeviceVectorOps, NormsOfNanAndInfinityPropagate) {
  auto values = random_values<TypeParam>(2 * 9000, 2);
  values[8999] = std::numeric_limits<TypeParam>::quiet_NaN();
  values[9001] = -std::numeric_limits<TypeParam>::infinity();
  const auto there = this->put(values);
  DeviceArray<double> norms(this->device, 2);
  shoal::norms<TypeParam>(this->device, {there.data(), 2, 9000}, norms.data());
  const auto found = this->on_host(norms);
  EXPECT_TRUE(found[0] != found[0]);
  EXPECT_EQ(found[1], std::numeric_limits<double>::infinity());
}

TYPED_TEST(DeviceVectorOps, ScalingAndClippingEqualTheHost) {
  const std::vector<double> factors = {2, -0.3, 0};
  for (const std::int64_t d : sizes) {
    auto values = random_values<TypeParam>(count * (d + 1), 3);
    auto there = this->put(values);
    shoal::scale_rows<TypeParam>(this->rows(values.data(), d), factors);
    const auto there_factors = this->put(factors);
    shoal::scale_rows<TypeParam>(this->device, this->rows(there.data(), d), there_factors.data());
    ASSERT_EQ(this->on_host(there), values) << d;

    std::vector<double> before(count);
    DeviceArray<double> there_before(this->device, count);
    shoal::clip_rows<TypeParam>(this->rows(values.data(), d), 4, before);
    shoal::clip_rows<TypeParam>(this->device, this->rows(there.data(), d), 4, there_before.data());
    EXPECT_EQ(this->on_host(there_before), before) << d;
    ASSERT_EQ(this->on_host(there), values) << d;
  }
  EXPECT_THROW(shoal::clip_rows<TypeParam>(this->device, RowView<TypeParam>(), 0, nullptr), std::invalid_argument);
}

TYPED_TEST(DeviceVectorOps, SumsEqualTheHost) {
  for (const std::int64_t d : sizes) {
    auto y = random_values<TypeParam>(count * (d + 1), 4);
    const auto x = random_values<TypeParam>(d, 5);  // one row for all
    auto there = this->put(y);
    const auto there_x = this->put(x);
    const RowView<const TypeParam> shared(there_x.data(), count, d, 0);
    shoal::axpy<TypeParam>(this->device, this->rows(there.data(), d), -0.3, shared);
    shoal::add<TypeParam>(this->device, this->rows(there.data(), d), shared);
    for (std::int64_t k = 0; k < count; ++k) {
      shoal::axpy<TypeParam>(this->rows(y.data(), d).row(k), -0.3, x);
      shoal::add<TypeParam>(this->rows(y.data(), d).row(k), x);
    }
    ASSERT_EQ(this->on_host(there), y) << d;
  }
}

TYPED_TEST(DeviceVectorOps, WeightedSumsEqualTheHost) {
  for (const std::int64_t rows : {1, 8, 21})
    for (const std::int64_t d : {0, 1, 31, 257, 100'003}) {
      const auto values = random_values<TypeParam>(rows * d, 6);
      std::vector<double> weights(rows);
      for (std::size_t k = 0; k < weights.size(); ++k) weights[k] = 0.3 * k - 1;
      auto sum = random_values<TypeParam>(d, 7);
      const auto there = this->put(values);
      const auto there_weights = this->put(weights);
      auto there_sum = this->put(sum);
      shoal::weighted_sum_inexact<TypeParam>(sum, {values.data(), rows, d}, weights);
      shoal::weighted_sum_inexact<TypeParam>(this->device, there_sum.data(), {there.data(), rows, d},
                                             there_weights.data());
      ASSERT_EQ(this->on_host(there_sum), sum) << rows << " rows of " << d;
    }
}

enum Terms { with_anchor = 1, with_shift = 2, with_momentum = 4, with_nesterov = 8, with_decay = 16 };

TYPED_TEST(DeviceVectorOps, StepsEqualTheHost) {
  const std::vector<double> rates = {0.05, 0, 0.01};
  const auto there_rates = this->put(rates);
  for (int terms = 0; terms < 32; ++terms)
    for (const std::int64_t d : {0, 1, 257, 2500}) {
      auto y = random_values<TypeParam>(count * (d + 1), 8), buffer = random_values<TypeParam>(count * d, 9);
      const auto g = random_values<TypeParam>(count * d, 10), anchor = random_values<TypeParam>(d, 11);
      const auto shift = random_values<TypeParam>(count * d, 12);
      auto there = this->put(y), there_buffer = this->put(buffer);
      const auto there_g = this->put(g), there_anchor = this->put(anchor), there_shift = this->put(shift);

      shoal::SgdRows<TypeParam> step{.rates = there_rates.data(), .nesterov = (terms & with_nesterov) != 0};
      if (terms & with_decay) step.decay = 0.01;
      if (terms & with_anchor) {
        step.pull = 0.3;
        step.anchor = {there_anchor.data(), count, d, 0};
      }
      if (terms & with_shift) step.shift = {there_shift.data(), count, d};
      if (terms & with_momentum) {
        step.momentum = 0.9;
        step.buffer = {there_buffer.data(), count, d};
      }
      shoal::sgd_step<TypeParam>(this->device, this->rows(there.data(), d), {there_g.data(), count, d}, step);

      const auto row = [d](auto& values, std::int64_t k) { return std::span(values).subspan(k * d, d); };
      for (std::int64_t k = 0; k < count; ++k) {
        if (rates[k] == 0) continue;
        shoal::SgdStep<TypeParam> one;
        one.rate = rates[k];
        one.nesterov = step.nesterov;
        one.decay = step.decay;
        if (terms & with_anchor) {
          one.pull = 0.3;
          one.anchor = anchor;
        }
        if (terms & with_shift) one.shift = row(shift, k);
        if (terms & with_momentum) {
          one.momentum = 0.9;
          one.buffer = row(buffer, k);
        }
        shoal::sgd_step<TypeParam>(this->rows(y.data(), d).row(k), row(g, k), one);
      }
      ASSERT_EQ(this->on_host(there), y) << "terms " << terms << ", " << d << " values";
      ASSERT_EQ(this->on_host(there_buffer), buffer) << "terms " << terms << ", " << d << " values";
    }
}

TYPED_TEST(DeviceVectorOps, RefusesShapesThatDiffer) {
  const RowView<TypeParam> y(nullptr, 2, 3);
  const RowView<const TypeParam> narrow(nullptr, 2, 2), few(nullptr, 1, 3);
  EXPECT_THROW(shoal::add<TypeParam>(this->device, y, narrow), std::invalid_argument);
  EXPECT_THROW(shoal::axpy<TypeParam>(this->device, y, 1, few), std::invalid_argument);
  EXPECT_THROW(shoal::sgd_step<TypeParam>(this->device, y, few, {}), std::invalid_argument);
}

}  // namespace
