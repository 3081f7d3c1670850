// Does the world of three rules have the probabilities that its definition implies, and is a replicate a function of
// its number alone?

#include <gtest/gtest.h>

#include <cmath>

#include "sim/studies/rule_study.hpp"

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
  reply.counts[warm_token] = 1;
  reply.counts[format_token] = 1;
  EXPECT_TRUE(!satisfies(Rule::suppress, reply) && satisfies(Rule::floor, reply) && satisfies(Rule::add, reply));
}

shoal::RuleStudy task(const std::string& toml) {
  const auto root = shoal::Settings::parse(toml, "test.toml");
  return {root.section("task"), shoal::make_part<shoal::Objective>("objective", "binary_rl", root.section("objective")),
          shoal::make_part<shoal::Judge>("judge", "confusion", root.section("judge"))};
}

TEST(RuleStudy, HasGeometricSessionsWithoutLearning) {
  // Expected sessions until three successes in a row are (1 - p^3) / (p^3 (1 - p)); a cap of 10^5 censors hardly any
  // user, and the standard deviation is about the mean.
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

TEST(RuleStudy, JudgesDoNotChangeSessions) {
  // Replicates are paired: without learning, no judge and no objective changes a single session.
  const auto one = task("task.rate = 0\nobjective = 'binary_rl'");
  const auto two = task("task.rate = 0\nobjective = 'opd_token'\njudge = {name = 'coin', hint_recall = 0.5}");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(one.run_one(3, i).sessions, two.run_one(3, i).sessions) << i;
}

// The index of an outcome's first number among those of a replicate.
std::size_t place(const shoal::Study& study, const std::string& name) {
  std::size_t at = 0;
  for (const auto& [outcome, count] : study.outcomes()) {
    if (outcome == name) return at;
    at += count;
  }
  ADD_FAILURE() << "no outcome " << name;
  return 0;
}

TEST(RuleStudy, SurvivalSumsToTheMeanOfSessions) {
  const auto study = task("objective = 'opd_token'\ntask.sessions = 40");
  const std::size_t survival = place(study, "survival"), censored = place(study, "censored");
  std::int64_t never = 0;
  for (int i = 0; i < 50; ++i) {
    const std::vector<double> all = study.run(3, i);
    double sum = 0;
    for (std::size_t s = 0; s < 40; ++s) {
      sum += all[survival + s];
      EXPECT_GE(all[survival + s], all[survival + s + 1]);
    }
    EXPECT_NEAR(sum, study.metric(all.data()), 1e-9);
    EXPECT_EQ(all[survival], 1);
    EXPECT_EQ(all[survival + 2], 1);  // three in a row take three sessions
    EXPECT_NEAR(all[survival + 40], (all[censored] + all[censored + 1] + all[censored + 2]) / 3, 1e-12);
    never += all[survival + 40] > 0 ? 1 : 0;
  }
  EXPECT_GT(never, 0);  // some replicates have a user who is never content, and some have none
  EXPECT_LT(never, 50);
}

TEST(RuleStudy, EveryJudgedTurnIsAccountedFor) {
  const auto binary = task("task.batch = 5").run_one(3, 1);
  EXPECT_EQ(binary.dropped, 0);
  EXPECT_EQ(binary.taken, binary.judged);
  EXPECT_EQ(binary.voted, binary.judged);  // an oracle always votes
  EXPECT_GE(binary.judged, 3);             // one reply, two tools
  EXPECT_LE(binary.judged, 10);
  const auto opd = task("objective = 'opd_token'\njudge.neutral = 0.5").run_one(3, 1);
  EXPECT_NEAR(opd.taken + opd.dropped, opd.judged, 1e-12);
  EXPECT_EQ(opd.taken, opd.hinted);
  EXPECT_LT(opd.voted, opd.judged);
  EXPECT_NEAR(task("task.rate = 0").run_one(3, 1).kl[16], 0, 1e-15);
  EXPECT_GT(binary.kl[16], binary.kl[1]);
  EXPECT_NEAR(binary.kl[0], 0, 1e-15);
}

// Expected sessions until three in a row, at most `cap`, of a user whose rule stays in the context once it was named.
// The untrained policy complies with probability p, and with q if the rule is in the context. By the Markov chain over
// (in a row, named).
double sessions_with_memory(double p, double q, double directive, int cap) {
  double named_in_session = 0, failing = 1;  // if the first of 8 replies failed and was corrected
  for (int reply = 0; reply < 8; ++reply) {
    named_in_session += failing * directive;
    failing *= (1 - directive) * (1 - q);
  }
  std::array<std::array<double, 2>, 3> at{};
  at[0][0] = 1;
  double mean = 0;
  for (int s = 0; s < cap; ++s) {
    std::array<std::array<double, 2>, 3> next{};
    for (std::size_t row = 0; row < 3; ++row) {
      mean += at[row][0] + at[row][1];  // not yet content after s sessions
      if (row < 2) {
        next[row + 1][0] += at[row][0] * p;
        next[row + 1][1] += at[row][1] * q;
      }
      next[0][1] += at[row][0] * (1 - p) * named_in_session + at[row][1] * (1 - q);
      next[0][0] += at[row][0] * (1 - p) * (1 - named_in_session);
    }
    at = next;
  }
  return mean;
}

TEST(RuleStudy, MemoryFollowsItsMarkovChain) {
  constexpr int replicates = 4000, cap = 72;
  const auto study = task("task = {rate = 0, memory = true, directive = 0.3}");
  std::array<double, users> sum{}, squares{};
  for (int i = 0; i < replicates; ++i) {
    const auto outcome = study.run_one(5, i);
    for (std::size_t u = 0; u < users; ++u) {
      sum[u] += outcome.sessions[u];
      squares[u] += outcome.sessions[u] * outcome.sessions[u];
    }
  }
  for (std::size_t u = 0; u < users; ++u) {
    const Rule rule{static_cast<int>(u)};
    Logits z = base();
    for (std::size_t v = 0; v < vocabulary; ++v) z[v] += rule_vector(rule)[v];
    const double p = compliance(rule, log_softmax(base())), q = compliance(rule, log_softmax(z));
    const double mean = sum[u] / replicates, error = std::sqrt((squares[u] / replicates - mean * mean) / replicates);
    EXPECT_NEAR(mean, sessions_with_memory(p, q, 0.3, cap), 4 * error) << "user " << u;
  }
}

// Without learning all sessions are the same, so only what counts towards a batch sets the number of updates.
// Distillation takes a fraction of the turns.
TEST(RuleStudy, CountsTurnsOrUsableReplies) {
  const auto per_session = [](const std::string& objective, const std::string& batch_of) {
    return task("objective = '" + objective + "'\n[task]\nrate = 0\nbatch_of = '" + batch_of + "'\n")
        .run_one(1, 3)
        .updates_per_session;
  };
  const double all = per_session("binary_rl", "usable");
  EXPECT_EQ(per_session("binary_rl", "turns"), all);
  EXPECT_EQ(per_session("opd_token", "turns"), all);
  EXPECT_LT(per_session("opd_token", "usable"), all / 2);
}

TEST(RuleStudy, RefusesBadSettings) {
  EXPECT_THROW(task("task = {users = 'separate', updates = 8}"), shoal::UserError);
  EXPECT_THROW(task("judge.false_positive = 1.5"), shoal::UserError);
}

}  // namespace
