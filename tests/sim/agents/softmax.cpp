// The softmax: two logits whose probabilities are 1/4 and 3/4, and its derivatives.

#include "sim/agents/softmax.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace shoal {
namespace {

const double log3 = std::log(3);

TEST(Softmax, GivesLogarithmsOfShares) {
  std::array<double, 2> z{-1, log3 - 1};
  log_softmax(z);
  EXPECT_NEAR(z[0], std::log(0.25), 1e-12);
  EXPECT_NEAR(z[1], std::log(0.75), 1e-12);
}

TEST(Softmax, DoesNotOverflow) {
  std::array<double, 2> z{1000, 1000 + log3};
  log_softmax(z);
  EXPECT_NEAR(z[0], std::log(0.25), 1e-12);
}

TEST(Softmax, DividesFloatLogitsByTheTemperature) {
  const std::array<float, 2> z{0, 2 * static_cast<float>(log3)};
  std::array<double, 2> log_p;
  log_softmax(z, 2, log_p);
  EXPECT_NEAR(log_p[0], std::log(0.25), 1e-6);
  EXPECT_NEAR(log_p[1], std::log(0.75), 1e-6);
}

// d/dz of 5 log p_0 + 3 log p_1 is 5 - 8 / 4 and 3 - 8 3 / 4.
TEST(Softmax, CarriesDerivativesBackToLogits) {
  const std::array<double, 2> log_p{std::log(0.25), std::log(0.75)};
  std::array<double, 2> slopes{5, 3};
  softmax_backward(log_p, slopes);
  EXPECT_NEAR(slopes[0], 3, 1e-12);
  EXPECT_NEAR(slopes[1], -3, 1e-12);
}

}  // namespace
}  // namespace shoal
