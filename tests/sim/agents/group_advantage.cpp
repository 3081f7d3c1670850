// Do advantages within a group have the values of their formulas? Computed by hand.

#include "sim/agents/group_advantage.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

constexpr double invalid = std::numeric_limits<double>::quiet_NaN();

TEST(GroupAdvantage, StandardisesByThePopulationDeviation) {
  const auto advantages = shoal::group_advantages(std::vector<double>{1, 0, 0, 1});
  ASSERT_EQ(advantages.size(), 4);
  const double one = 0.5 / (0.5 + 1e-6);  // 0.999998
  EXPECT_NEAR(advantages[0], one, 1e-12);
  EXPECT_NEAR(advantages[1], -one, 1e-12);
}

TEST(GroupAdvantage, DropsGroupsOfEqualRewards) {
  EXPECT_TRUE(shoal::group_advantages(std::vector<double>{0.3, 0.3, 0.3}).empty());
  EXPECT_TRUE(shoal::group_advantages({}).empty());
}

TEST(GroupAdvantage, ComparesStepsOfOneIndex) {
  // Step 0: outcomes 1, 1, -1 with mean votes 2/3, -1/3, 1/3. Step 1 in two
  // rollouts, with equal rewards. Step 2 in one, which keeps its raw reward.
  const double a = shoal::integrated_reward(1, std::vector<double>{1, 1, 0}, 1);
  const double b = shoal::integrated_reward(1, std::vector<double>{-1, 0, 0}, 1);
  const double c = shoal::integrated_reward(-1, std::vector<double>{1, 0, 0}, 1);
  EXPECT_NEAR(a, 1.666667, 1e-6);
  EXPECT_NEAR(b, 0.666667, 1e-6);
  EXPECT_NEAR(c, -0.666667, 1e-6);
  const auto advantages = shoal::step_advantages({{a, 2}, {b}, {c, 2, -0.4}});
  EXPECT_NEAR(advantages[0][0], 1.162475, 2e-6);
  EXPECT_NEAR(advantages[1][0], 0.116248, 2e-6);
  EXPECT_NEAR(advantages[2][0], -1.278723, 2e-6);
  EXPECT_TRUE(std::isnan(advantages[0][1]) && std::isnan(advantages[2][1]));
  EXPECT_EQ(advantages[2][2], -0.4);
}

TEST(GroupAdvantage, IgnoresInvalidVotes) {
  EXPECT_DOUBLE_EQ(shoal::integrated_reward(0.5, std::vector<double>{1, invalid, -1, 1}, 1), 0.5 + 1.0 / 3);
  EXPECT_DOUBLE_EQ(shoal::integrated_reward(0.5, std::vector<double>{invalid}, 0), 0.5);
}

// A judge that always votes +1 and often fails tells nothing: a step without a verdict is no step with a vote of 0.
TEST(GroupAdvantage, LeavesStepsWithoutVerdictOut) {
  const double judged = shoal::integrated_reward(1, std::vector<double>{invalid, 1}, 1);
  const double none = shoal::integrated_reward(1, std::vector<double>{invalid, invalid}, 1);
  EXPECT_EQ(judged, 2);
  EXPECT_TRUE(std::isnan(none));
  EXPECT_TRUE(std::isnan(shoal::integrated_reward(-1, {}, 0.5)));
  for (const auto& advantages :
       {shoal::step_advantages({{judged}, {judged}, {none}}), shoal::step_advantages({{judged}, {none}, {none}}),
        shoal::step_advantages({{none}, {none}, {none}})}) {
    for (const std::vector<double>& steps : advantages) EXPECT_TRUE(std::isnan(steps[0]));
  }
  const auto mixed = shoal::step_advantages({{2, none}, {none}, {0, 3}});
  EXPECT_NEAR(mixed[0][0], 1, 1e-5);  // the mean of 2 and 0 is 1, their deviation 1
  EXPECT_NEAR(mixed[2][0], -1, 1e-5);
  EXPECT_TRUE(std::isnan(mixed[1][0]) && std::isnan(mixed[0][1]));
  EXPECT_TRUE(std::isnan(mixed[2][1]));  // the other rollout that got there has no verdict
}

TEST(GroupAdvantage, PunishesWrongAnswersLessAfterMoreCalls) {
  EXPECT_DOUBLE_EQ(shoal::wrong_answer_reward(2), -1.0);
  EXPECT_DOUBLE_EQ(shoal::wrong_answer_reward(6), -0.8);
  EXPECT_DOUBLE_EQ(shoal::wrong_answer_reward(10), -0.6);
  EXPECT_DOUBLE_EQ(shoal::wrong_answer_reward(20), -0.6);
}

}  // namespace
