// Do decimal epochs give the steps that they say, although their products lie beside whole numbers?
#include <gtest/gtest.h>

#include "sim/task/local_settings.hpp"

namespace shoal {
namespace {

std::int64_t steps(double epochs, std::int64_t batches, double fraction = 1) {
  LocalSettings local;
  local.epochs = epochs;
  local.batch = 10;
  return local.local_steps(10 * batches, fraction);
}

TEST(LocalSteps, ArePartsOfEpochsRoundedUp) {
  EXPECT_EQ(steps(1, 100), 100);
  EXPECT_EQ(steps(1.5, 3), 5);
  EXPECT_EQ(steps(0.001, 100), 1);
  EXPECT_EQ(steps(1.001, 100), 101);
  EXPECT_EQ(steps(2, 3, 0.5), 3);
}

// In doubles 1.1 times 100 is 110.00000000000001.
TEST(LocalSteps, DoNotCountTheErrorOfAProduct) {
  for (std::int64_t tenths = 1; tenths <= 100; ++tenths) {
    EXPECT_EQ(steps(tenths / 10.0, 100), 10 * tenths) << tenths;
    EXPECT_EQ(steps(tenths / 10.0, 7000), 700 * tenths) << tenths;
  }
}

}  // namespace
}  // namespace shoal
