// Does the world of three rules have the probabilities that its definition implies, and is a replicate a function of
// its number alone?
#include <gtest/gtest.h>

#include <cmath>

#include "sim/agents/rule_study.hpp"

namespace {

using namespace shoal::rule_world;

TEST(RuleWorld, UntrainedComplianceIsExact) {
  const Logits log_p = log_softmax(base());
  // Tokens: format 0.15, end 0.10, warm 0.01, seven of 0.106, over their sum 1.002.
  const double end = 0.10 / 1.002, format = 0.15 / 1.002, warm = 0.01 / 1.002;
  double no_format = std::pow(1 - format - end, 24), some_warm = 0;
  for (int i = 0; i < 24; ++i) {  // the end, or the warm token, at position i after nothing of interest
    no_format += std::pow(1 - format - end, i) * end;
    some_warm += std::pow(1 - warm - end, i) * warm;
  }
  EXPECT_NEAR(compliance(Rule::suppress, log_p), no_format, 1e-12);
  EXPECT_NEAR(compliance(Rule::add, log_p), some_warm, 1e-12);
  EXPECT_NEAR(compliance(Rule::floor, log_p), std::pow(1 - end, 15), 1e-12);
  EXPECT_NEAR(compliance(Rule::suppress, log_p), 0.4006, 5e-5);
  EXPECT_NEAR(compliance(Rule::floor, log_p), 0.2066, 5e-5);
  EXPECT_NEAR(compliance(Rule::add, log_p), 0.0853, 5e-5);
}

TEST(RuleWorld, RepliesSatisfyTheirRule) {
  Reply reply;
  reply.counts[content_token] = 15;
  EXPECT_TRUE(satisfies(Rule::suppress, reply) && satisfies(Rule::floor, reply) && !satisfies(Rule::add, reply));
  reply.counts[content_token] = 14;
  reply.counts[end_token] = 1;
  EXPECT_FALSE(satisfies(Rule::floor, reply));
  reply.counts[warm_token] = reply.counts[format_token] = 1;
  EXPECT_TRUE(!satisfies(Rule::suppress, reply) && satisfies(Rule::floor, reply) && satisfies(Rule::add, reply));
}

shoal::RuleStudy task(const std::string& toml) {
  const auto root = shoal::Settings::parse(toml, "test.toml");
  return {root.section("task"), shoal::make_part<shoal::Objective>("objective", "binary_rl", root.section("objective")),
          shoal::make_part<shoal::Judge>("judge", "confusion", root.section("judge"))};
}

TEST(RuleStudy, WithoutLearningSessionsFollowTheGeometricLaw) {
  // Expected sessions until three successes in a row are (1 - p^3) / (p^3 (1 - p)); with a cap of 10^5 hardly anything
  // is cut off, and the deviation is about the mean.
  const auto study = task("task = {rate = 0, sessions = 100000, users = 'separate'}");
  constexpr int replicates = 400;
  std::array<double, users> sum{};
  for (int i = 0; i < replicates; ++i) {
    const shoal::RuleStudyOutcome outcome = study.run_one(3, i);
    for (std::size_t u = 0; u < users; ++u) {
      sum[u] += outcome.sessions[u];
      ASSERT_EQ(outcome.censored[u], 0);
    }
    EXPECT_NEAR(outcome.rule_rate[16], (0.4006 + 0.2066 + 0.0853) / 3, 5e-5);
  }
  for (std::size_t u = 0; u < users; ++u) {
    const double p = compliance(Rule{static_cast<int>(u)}, log_softmax(base()));
    const double expected = (1 - p * p * p) / (p * p * p * (1 - p));
    EXPECT_NEAR(sum[u] / replicates, expected, 4 * expected / std::sqrt(replicates)) << "user " << u;
  }
}

TEST(RuleStudy, AReplicateIsAFunctionOfItsNumber) {
  const auto study = task("objective = 'hybrid'\njudge.false_positive = 0.2");
  const auto first = study.run_one(3, 7), again = study.run_one(3, 7), other = study.run_one(3, 8);
  EXPECT_EQ(first.sessions, again.sessions);
  EXPECT_EQ(first.rule_rate, again.rule_rate);
  EXPECT_NE(first.rule_rate, other.rule_rate);
}

TEST(RuleStudy, JudgesNeedNotChangeWhatUsersSay) {
  // Replicates are paired: without learning, no judge and no objective changes a single session.
  const auto one = task("task.rate = 0\nobjective = 'binary_rl'");
  const auto two = task("task.rate = 0\nobjective = 'opd_token'\njudge = {name = 'coin', hint_recall = 0.5}");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(one.run_one(3, i).sessions, two.run_one(3, i).sessions) << i;
}

TEST(RuleStudy, RefusesWhatItCannotCount) {
  EXPECT_THROW(task("task = {users = 'separate', updates = 8}"), shoal::UserError);
  EXPECT_THROW(task("judge.false_positive = 1.5"), shoal::UserError);
}

}  // namespace
