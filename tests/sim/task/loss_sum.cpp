// Sums of losses: exact, in any order, and never a number that was not measured.

#include "sim/task/loss_sum.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "sim/task/task.hpp"

namespace shoal {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

LossSum sum_of(const std::vector<double>& losses) {
  LossSum sum;
  for (const double loss : losses) sum += LossSum(loss);
  return sum;
}

TEST(LossSum, IsTheLossToAUnit) {
  for (const double loss : {0.0, 1e-9, 0.7, 115.2, 8388607.9, -3.5}) {
    EXPECT_NEAR(LossSum(loss).value(), loss, LossSum::unit / 2) << loss;
  }
}

// Large losses are reported as measured, below and above 2^32, where codes change their form.
TEST(LossSum, DoesNotSaturate) {
  for (const double loss : {8388608.0, 8388609.0, 3e7, 4.2e9, 1e15, 9e18}) {
    const Evaluation chunk{.examples = 50, .loss = Evaluation::to_units(loss)};
    EXPECT_NEAR(chunk.mean_loss(), loss / 50, std::abs(loss) * 1e-15) << loss;
  }
}

TEST(LossSum, IsInfiniteOrNoNumberWhereTheLossIs) {
  EXPECT_EQ(LossSum(infinite).value(), infinite);
  EXPECT_EQ((Evaluation{.examples = 3, .loss = Evaluation::to_units(infinite)}).mean_loss(), infinite);
  EXPECT_EQ(LossSum(1e300).value(), infinite);
  EXPECT_TRUE(std::isnan(LossSum(std::nan("")).value()));
  EXPECT_EQ(sum_of({0.5, 1e20, 3}).value(), infinite);
  EXPECT_TRUE(std::isnan(sum_of({0.5, infinite, std::nan("")}).value()));
  EXPECT_TRUE(std::isnan(Evaluation{}.mean_loss()));
}

TEST(LossSum, SurvivesItsCode) {
  for (const double loss : {0.0, -1.5, 0.7, 8388607.9, 8388608.0, 1e9, 0x1p32, 1e15}) {
    const double back = LossSum::of_code(LossSum(loss).code()).value();
    EXPECT_NEAR(back, LossSum(loss).value(), std::abs(loss) * 1e-15) << loss;
  }
  EXPECT_EQ(LossSum::of_code(LossSum(infinite).code()).value(), infinite);
  EXPECT_TRUE(std::isnan(LossSum::of_code(LossSum(-1e12).code()).value()));
  EXPECT_EQ(LossSum(3.25).code(), std::int64_t{13} << 28);  // units below 2^32
  EXPECT_TRUE(std::isnan(LossSum::of_code(LossSum(std::nan("")).code()).value()));
}

TEST(LossSum, DoesNotDependOnTheOrder) {
  const LossSum one = sum_of({0.1, 1e17, 0.2, 3e8, 0.3}), other = sum_of({0.3, 3e8, 0.2, 1e17, 0.1});
  EXPECT_EQ(one, other);
  EXPECT_EQ(one.value(), other.value());
  // In doubles, a term of 0.25 beside 2^62 is lost; a thousand of them must not be.
  std::vector<double> small(1000, 0.25);
  small.push_back(0x1p62);
  small.push_back(-0x1p62);
  EXPECT_EQ(sum_of(small).value(), 250);
}

// Chunks report codes; a diverged model has many large ones.
TEST(LossSum, AddsUpCodes) {
  for (const double loss : {8e6, 3e9, 4.2e9, 1e15}) {
    LossSum sum;
    for (int chunk = 0; chunk < 4096; ++chunk) sum += LossSum::of_code(LossSum(loss).code());
    EXPECT_NEAR(sum.value(), 4096 * loss, 4096 * loss * 1e-14) << loss;
  }
}

}  // namespace
}  // namespace shoal
