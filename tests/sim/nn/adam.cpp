// Adam in its three forms: two steps computed by hand, and the forms compared with each other.

#include "sim/nn/adam.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace shoal {
namespace {

// Gradients 4 and -4, rate 0.1. Step 1: both moments over their corrections are 4 and 16, so the step is -0.1.
// Step 2: (0.9 0.1 4 - 0.1 4) / (1 - 0.81) = -0.04 / 0.19, and (0.98 0.02 16 + 0.02 16) / (1 - 0.9604) = 16.
constexpr double first = 1 - 0.1, second = first + 0.1 * 0.04 / 0.19 / 4;

TEST(Adam, TakesTheStepsOfThePaper) {
  SpanAdam adam(1);
  std::array<double, 1> x{1};
  adam.apply(x, std::array<double, 1>{4}, 0.1);
  EXPECT_NEAR(x[0], first, 1e-8);
  adam.apply(x, std::array<double, 1>{-4}, 0.1);
  EXPECT_NEAR(x[0], second, 1e-8);
}

TEST(Adam, ScalesGradientsOfFloatParameters) {
  SpanAdam adam(1);
  std::array<float, 1> x{1};
  adam.apply(x, std::array<float, 1>{8}, 0.1, 0.5);
  EXPECT_NEAR(x[0], first, 1e-7);
  adam.apply(x, std::array<float, 1>{-8}, 0.1, 0.5);
  EXPECT_NEAR(x[0], second, 1e-7);
}

TEST(Adam, TensorsAgreeAndLeaveOldWeightsAlone) {
  SpanAdam spans(2);
  TensorAdam tensors;
  std::array<double, 2> expected{1, -2};
  at::Tensor params = at::tensor({1.0, -2.0}, at::kDouble);
  for (int step = 0; step < 20; ++step) {
    const std::array<double, 2> slope{std::cos(step), 0.1 * step - 1};
    const at::Tensor before = params, copy = params.clone();
    params = tensors.apply(params, at::tensor({slope[0], slope[1]}, at::kDouble), 0.1);
    spans.apply(expected, slope, 0.1);
    EXPECT_TRUE(before.equal(copy));
    EXPECT_NEAR(params[0].item<double>(), expected[0], 1e-12);
    EXPECT_NEAR(params[1].item<double>(), expected[1], 1e-12);
  }
}

}  // namespace
}  // namespace shoal
