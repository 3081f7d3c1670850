// Do the protocols decide as their papers say? Traces of five clients by hand, and laws that hold in the mean.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "sim/round/run_round.hpp"
#include "tests/sim/round/scripted.hpp"
#include "tests/strategies/planners/desk.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Clients 0 to 4 take 1, 2, 3, 4 and 8 ms, in as many local steps of a millisecond each. They are drawn in the orders
// 23014, 01342, 34102, 10234, 21034.
class ByHand : public testing::Test {
 protected:
  ByHand() { expect_draws_of_five(); }
  std::shared_ptr<const Task> task_ = std::make_shared<TimedTask>(std::vector<std::int64_t>{1, 2, 3, 4, 8});
  std::shared_ptr<const Task> without_2_ = std::make_shared<TimedTask>(std::vector<std::int64_t>{1, 2, 0, 4, 8});
};

std::vector<Outcome> outcomes(const RoundPlan& plan) {
  std::vector<Outcome> all;
  for (const Participation& p : plan.starts) all.push_back(p.outcome);
  return all;
}

std::vector<std::int64_t> clients(const std::vector<Participation>& participations) {
  std::vector<std::int64_t> all;
  all.reserve(participations.size());
  for (const Participation& p : participations) all.push_back(value(p.client));
  return all;
}

// --- Synchronous protocols -------------------------------------------------------------------------------------------

TEST_F(ByHand, OverSelectionTakesTheFirstReports) {
  Desk desk("over_selection", "goal = 2\nfactor = 1.5", task_);
  // A late client is busy until it has finished: client 3 in round 2 (until 4 ms), client 4 in rounds 3 and 4 (until
  // 11).
  expect_steps(desk, {{3, {{2, 0, 0, 3}, {3, 0, 0, 4}, {0, 0, 0, 1}}, {{0, 1}, {2, 1}}, {1}},
                      {5, {{0, 1, 3, 4}, {1, 1, 3, 5}, {4, 1, 3, 11}}, {{3, 1}, {4, 1}}, {5}},
                      {7, {{3, 2, 5, 9}, {1, 2, 5, 7}, {0, 2, 5, 6}}, {{7, 1}, {8, 1}}, {6}},
                      {9, {{1, 3, 7, 9}, {0, 3, 7, 8}, {2, 3, 7, 10}}, {{9, 1}, {10, 1}}, {11}},
                      {11, {{1, 4, 9, 11}, {0, 4, 9, 10}, {3, 4, 9, 13}}, {{12, 1}, {13, 1}}, {14}}});
}

TEST_F(ByHand, OverSelectionAbandonsAtTheDeadline) {
  Desk desk("over_selection", "goal = 2\nfactor = 1.5\ndeadline = 0.002", task_);
  const RoundPlan first = desk.next();
  EXPECT_EQ(first.verdict, Verdict::abandoned);
  EXPECT_EQ(first.time, Ticks{2000});
  EXPECT_TRUE(first.commits.empty());
  EXPECT_EQ(first.dropouts.size(), 3U);
  // Client 0 has reported in time, but its update is not used.
  EXPECT_EQ(outcomes(first), (std::vector{Outcome::late, Outcome::late, Outcome::completes}));
  const RoundPlan second = desk.next();  // clients 2 and 3 are busy until 3 and 4 ms; client 1 finishes at the deadline
  EXPECT_EQ(clients(second.starts), (std::vector<std::int64_t>{0, 1, 4}));
  EXPECT_EQ(second.verdict, Verdict::commit);
  EXPECT_EQ(second.time, Ticks{4000});
  EXPECT_EQ(clients(desk.committed), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(Desk("over_selection", "goal = 2\nfactor = 1.5\ndeadline = 0.002\nminimum = 1", task_).next().verdict,
            Verdict::commit);
}

TEST_F(ByHand, DeadlineKeepsPartialWork) {
  Desk desk("deadline", "cohort = 3\ndeadline = 0.003", task_);
  const std::vector<std::vector<double>> fractions = {{1, 0.75, 1}, {1, 1, 0.75}, {0.75, 0.375, 1}};
  const std::vector<std::vector<std::int64_t>> who = {{2, 3, 0}, {0, 1, 3}, {3, 4, 1}};
  for (std::int64_t round = 0; round < 3; ++round) {
    const RoundPlan plan = desk.next();
    EXPECT_EQ(clients(plan.starts), who[round]);
    EXPECT_EQ(plan.time, Ticks{3000 * (round + 1)});
    EXPECT_TRUE(plan.dropouts.empty());
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(plan.starts[k].fraction, fractions[round][k]) << round << ", " << k;
  }
  // Half a millisecond is not enough for a step: all clients are late, and busy afterwards.
  Desk hopeless("deadline", "cohort = 3\ndeadline = 0.0005", task_);
  const RoundPlan plan = hopeless.next();
  EXPECT_EQ(plan.verdict, Verdict::abandoned);
  EXPECT_EQ(plan.time, Ticks{500});
  EXPECT_EQ(outcomes(plan), std::vector(3, Outcome::late));
  EXPECT_EQ(clients(hopeless.next().starts), (std::vector<std::int64_t>{1, 4}));
}

TEST_F(ByHand, DeadlineDropsStragglers) {
  Desk desk("deadline", "cohort = 3\ndeadline = 0.003\nstragglers = \"dropped\"", task_);
  expect_steps(desk, {{3, {{2, 0, 0, 3}, {3, 0, 0, 4}, {0, 0, 0, 1}}, {{0, 1}, {2, 1}}, {1}},
                      {6, {{0, 1, 3, 4}, {1, 1, 3, 5}, {4, 1, 3, 11}}, {{3, 1}, {4, 1}}, {5}},
                      {9, {{3, 2, 6, 10}, {1, 2, 6, 8}, {0, 2, 6, 7}}, {{7, 1}, {8, 1}}, {6}}});
  EXPECT_EQ(outcomes(Desk("deadline", "cohort = 3\ndeadline = 0.003\nstragglers = \"dropped\"", task_).next()),
            (std::vector{Outcome::completes, Outcome::late, Outcome::completes}));
}

// All five are still at work on the first round when the second begins: it waits for client 0.
TEST_F(ByHand, DeadlineWaitsForAFreeClient) {
  Desk desk("deadline", "cohort = 5\ndeadline = 0.0005", task_);
  EXPECT_EQ(desk.next().time, Ticks{500});
  const RoundPlan second = desk.next();
  EXPECT_TRUE(second.starts.empty());
  EXPECT_EQ(second.time, Ticks{1000});
  EXPECT_EQ(clients(desk.next().starts), std::vector<std::int64_t>{0});
}

TEST_F(ByHand, DeadlineIsTheMedianDurationByDefault) {
  EXPECT_EQ(Desk("deadline", "cohort = 5", task_).next().time, Ticks{3000});
}

TEST_F(ByHand, CyclicTakesTurns) {
  const KeyedPermutation places(random_key(1, "planner/selection"), 0, 5);
  std::vector<std::int64_t> order;
  for (std::uint64_t i = 0; i < 5; ++i) order.push_back(places(i));
  Desk one("cyclic", "cohort = 1", task_);
  for (std::size_t round = 0; round < 15; ++round) {
    EXPECT_EQ(clients(one.next().starts), std::vector{order[round % 5]});
  }
  // Two groups of two and three clients, of which two take part.
  Desk two("cyclic", "cohort = 2\ngroups = 2", task_);
  const std::set<std::int64_t> first(order.begin(), order.begin() + 2), second(order.begin() + 2, order.end());
  std::set<std::vector<std::int64_t>> seen;
  for (std::size_t round = 0; round < 40; ++round) {
    std::vector<std::int64_t> who = clients(two.next().starts);
    EXPECT_EQ(who.size(), 2U);
    for (const std::int64_t client : who) EXPECT_TRUE((round % 2 == 0 ? first : second).contains(client));
    std::ranges::sort(who);
    seen.insert(who);
  }
  EXPECT_EQ(seen.size(), 4U);  // one pair of the first group, three of the second
}

TEST_F(ByHand, TiersHaveSimilarSpeeds) {
  // The third of five durations, 3 ms, divides two tiers: clients 0, 1, 2 and clients 3, 4.
  Desk desk("tifl", "cohort = 2\ntiers = 2\nchoice = \"uniform\"", task_);
  const std::vector<std::vector<std::int64_t>> fast = {{2, 0}, {0, 1}, {1, 0}, {1, 0}, {2, 1}};
  const std::vector<std::vector<std::int64_t>> slow = {{3, 4}, {3, 4}, {3, 4}, {3, 4}, {3, 4}};
  std::set<bool> seen;
  for (std::size_t round = 0; round < 5; ++round) {
    const RoundPlan plan = desk.next();
    const bool is_fast = value(plan.starts[0].client) < 3;
    std::vector<std::int64_t> who = clients(plan.starts);
    if (!is_fast) std::ranges::sort(who);
    EXPECT_EQ(who, (is_fast ? fast : slow)[round]) << "round " << round;
    seen.insert(is_fast);
  }
  EXPECT_EQ(seen.size(), 2U);
}

TEST_F(ByHand, PowerOfChoiceTakesTheHighestLosses) {
  Desk desk("power_of_choice", "cohort = 1\ncandidates = 3\ndraw = \"uniform\"", task_);
  const double losses[] = {5, 1, 2, 3, 4};
  desk.loss = [&](ClientId client, std::int64_t) { return losses[value(client)]; };
  // Candidates 2, 3, 0; 0, 1, 3; 3, 4, 1. The slowest forward pass of them takes 4/3, 4/3 and 8/3 ms.
  const std::int64_t who[] = {0, 0, 4}, wait[] = {1333, 1333, 2667}, trains[] = {1000, 1000, 8000};
  Ticks now{};
  for (std::size_t round = 0; round < 3; ++round) {
    const RoundPlan plan = desk.next();
    ASSERT_EQ(plan.starts.size(), 1U);
    EXPECT_EQ(value(plan.starts[0].client), who[round]);
    EXPECT_EQ(plan.starts[0].start, now + Ticks{wait[round]});
    EXPECT_EQ(plan.time, now + Ticks{wait[round] + trains[round]});
    now = plan.time;
  }
}

TEST_F(ByHand, OortScoresLikeEquationOne) {
  // All losses 1: utilities are 1, 2, 3, 4, 8. One of a cohort of two explores, the other is the one with the best
  // score.
  const std::string toml = "cohort = 2\nfactor = 1\nexploration = 0.5\nexploration_decay = 1\nclip = 1\ncut_off = 1\n";
  Desk desk("oort", toml, task_);
  // Round 1: no client is known, two explore. Round 2: utilities 3 and 4, range 1.003, so 0.003 + 0.263 for client 2
  // and (1 + 0.263) (3/4)^2 = 0.711 for client 3, since 3 ms are preferred. Round 3: with client 0, 1 ms is preferred:
  // 0.000 + 0.234 for client 0, 0.111 for client 2, 0.077 for client 3.
  EXPECT_EQ(clients(desk.next().starts), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(clients(desk.next().starts), (std::vector<std::int64_t>{3, 0}));
  EXPECT_EQ(clients(desk.next().starts), (std::vector<std::int64_t>{0, 4}));
  // A penalty of (3/4)^10 makes client 3 worse than client 2.
  Desk strict("oort", toml + "penalty = 10", task_);
  strict.next();
  EXPECT_EQ(clients(strict.next().starts), (std::vector<std::int64_t>{2, 0}));
  // Without a penalty client 3 stays the best: 1 + 0.234 beats client 2 with 0.667 + 0.331.
  Desk lenient("oort", toml + "penalty = 0", task_);
  lenient.next();
  lenient.next();
  EXPECT_EQ(clients(lenient.next().starts), (std::vector<std::int64_t>{3, 4}));
}

TEST_F(ByHand, ReflIsUniformWhereAllAreAvailable) {
  Desk refl("refl", "cohort = 3\ncandidates = 4", task_), uniform("uniform", "cohort = 3", task_);
  for (int round = 0; round < 10; ++round) EXPECT_EQ(clients(refl.next().starts), clients(uniform.next().starts));
}

// --- Asynchronous protocols ------------------------------------------------------------------------------------------

TEST_F(ByHand, FedAsyncCommitsOneAtATime) {
  const double after_2 = 1 / std::sqrt(3.0), after_4 = 1 / std::sqrt(5.0);
  Desk desk("fed_async", "concurrency = 2", without_2_);
  expect_steps(desk, {{1, {{3, 0, 0, 4}, {0, 0, 0, 1}}, {{1, 1}}},
                      {2, {{0, 1, 1, 2}}, {{2, 1}}},
                      {4, {{4, 2, 2, 10}}, {{0, after_2}}},
                      {6, {{1, 3, 4, 6}}, {{4, 1}}},
                      {8, {{1, 4, 6, 8}}, {{5, 1}}},
                      {10, {{1, 5, 8, 10}}, {{6, 1}}},  // client 4 ends at 10 ms, too
                      {10, {{3, 6, 10, 14}}, {{3, after_4}}}});
}

TEST_F(ByHand, StalenessWeightsFollowThePaper) {
  // Staleness 2 in the third step and 4 in the seventh.
  const auto weights = [&](const std::string& toml) {
    Desk desk("fed_async", "concurrency = 2\n" + toml, without_2_);
    std::vector<double> all;
    all.reserve(7);
    for (int step = 0; step < 7; ++step) all.push_back(desk.next().commits.at(0).weight);
    return std::pair(all[2], all[6]);
  };
  EXPECT_EQ(weights("staleness_weight = \"constant\""), std::pair(1.0, 1.0));
  EXPECT_EQ(weights("exponent = 1"), std::pair(1.0 / 3, 1.0 / 5));
  EXPECT_EQ(weights("staleness_weight = \"hinge\""), std::pair(1.0, 1.0));
  EXPECT_EQ(weights("staleness_weight = \"hinge\"\nhinge_delay = 2"), std::pair(1.0, 1.0 / 21));
  EXPECT_EQ(weights("staleness_weight = \"hinge\"\nhinge_delay = 1\nhinge_slope = 3"), std::pair(1.0 / 4, 1.0 / 10));
}

TEST_F(ByHand, PeriodsEndOnTheClock) {
  const double after_1 = 1 / std::sqrt(2.0);
  Desk desk("periodic", "concurrency = 2\nperiod = 0.003", without_2_);
  expect_steps(desk, {{3, {{3, 0, 0, 4}, {0, 0, 0, 1}}, {{1, 1}}},
                      {6, {{0, 1, 3, 4}}, {{0, after_1}, {2, 1}}},
                      {9, {{3, 2, 6, 10}, {4, 2, 6, 14}}, {}},
                      {12, {}, {{3, 1}}},
                      {15, {{1, 3, 12, 14}}, {{4, after_1}, {5, 1}}}});
}

// FedAsync mixes into the current model, not into the one that the client downloaded. Rate 0.1 from x = 0 to the
// optimum b gives 0.1 b.
TEST(FedAsync, MixesModels) {
  const auto task = std::make_shared<Quadratic>(
      Settings::parse("curvatures = [1, 1, 1]\noptima = [10, 20, 40]\nprecision = \"float64\"", "test.toml"), 1);
  const auto plan = [](State& state, const World& world) {
    RoundPlan plan{.time = world.now + Ticks{1}, .divisor = Divisor::own_weights};
    if (world.round == 1) {
      for (std::int64_t c = 0; c < 3; ++c) plan.starts.push_back(start(c, state, world));
    }
    plan.commits.push_back({ParticipationId{world.round - 1}, 1.0 / (1 << (world.round - 1))});
    return plan;
  };
  std::vector<double> x;
  run_on_threads(2, [&](Communicator& comm) {
    const Federation parts = scripted(task, part<Strategy>("strategy", "fed_async", "alpha = 0.5"), plan);
    FederationState state(parts, comm.size(), comm.rank());
    Trainers trainers(*parts.task, 1);
    for (int round = 0; round < 3; ++round) {
      run_round(parts, state, comm, trainers);
      if (comm.rank() == 0) x.push_back(state.strategy().params()[0].item<double>());
    }
  });
  // Models 1, 2 and 4, all from x = 0; shares 1/2, 1/4 and 1/8.
  const double first = 0.5, second = 0.75 * first + 0.25 * 2, third = 0.875 * second + 0.125 * 4;
  EXPECT_NEAR(x.at(0), first, 1e-9);
  EXPECT_NEAR(x.at(1), second, 1e-9);
  EXPECT_NEAR(x.at(2), third, 1e-9);
}

// --- Laws ------------------------------------------------------------------------------------------------------------

TEST(Laws, FedAsyncHasTheStalenessOfLittlesLaw) {
  for (const double sigma : {0.0, 1.0}) {
    Desk desk("fed_async", "concurrency = 20\nmax_staleness = 1000000", equal_clients(3000),
              fmt::format("speed_sigma = {}", sigma));
    EXPECT_NEAR(desk.mean_staleness(2000, 20000), 19, 0.5);  // (concurrency - 1) / 1
  }
}

// Time in flight over elapsed time is the concurrency, and updates arrive at concurrency / mean duration.
TEST(Laws, FlightsAreFull) {
  for (const std::string name : {"fed_buff", "fed_async"}) {
    Desk desk(name, "concurrency = 25\ndropout = 0.2\nmax_staleness = 1000000", equal_clients(2000),
              "speed_sigma = 0.7");
    double in_flight = 0, ended = 0;
    Ticks first{}, last{};
    for (int step = 0; step < 4000; ++step) {
      last = desk.next().time;
      if (step == 200) first = last;
      if (step <= 200) continue;
      for (const auto* list : {&desk.committed, &desk.dropouts}) {
        for (const Participation& p : *list) {
          in_flight += seconds(p.finish - p.start);
          ++ended;
        }
      }
    }
    EXPECT_NEAR(in_flight / seconds(last - first), 25, 0.5) << name;
    EXPECT_NEAR(ended / seconds(last - first), 25 / (in_flight / ended), 0.02 * 25 / (in_flight / ended)) << name;
  }
}

// P(Bin(invited, 1 - dropout) < goal): exact sums, computed independently.
TEST(Laws, OverSelectionFailsAsOftenAsTheBinomial) {
  struct Case {
    double dropout;
    int goal, rounds;
    double failure;
    const char* success;
  };
  for (const Case& c : {Case{0.06, 10, 40000, 5.9750e-3, "0.994025"}, Case{0.10, 10, 20000, 3.4161e-2, "0.965839"},
                        Case{0.10, 30, 10000, 4.1647e-3, "0.995835"}, Case{0.20, 100, 2000, 1.6159e-1, "0.83841"}}) {
    Desk desk("over_selection", fmt::format("goal = {}\nfactor = 1.3\ndropout = {}", c.goal, c.dropout),
              equal_clients(500));
    double failed = 0;
    for (int round = 0; round < c.rounds; ++round) failed += desk.next().verdict == Verdict::abandoned ? 1 : 0;
    EXPECT_NEAR(failed / c.rounds, c.failure, 4.5 * std::sqrt(c.failure * (1 - c.failure) / c.rounds));
    EXPECT_THAT(desk.notes().at(0), testing::HasSubstr(c.success));
  }
}

TEST(Laws, AdaptiveTiersPreferTheWorse) {
  // Two tiers; while the current one does not improve, the worse has twice the probability of the other.
  std::vector<std::int64_t> examples(40, 1);
  for (std::size_t c = 20; c < 40; ++c) examples[c] = 3;
  const auto slow_share = [&](const std::string& toml, bool improves) {
    Desk desk("tifl", "cohort = 5\ntiers = 2\n" + toml, std::make_shared<TimedTask>(examples));
    desk.loss = [&](ClientId client, std::int64_t round) {
      return (value(client) < 20 ? 1.0 : 2.0) + (improves ? 10.0 / round : 0);
    };
    double slow = 0;
    for (int round = 0; round < 6000; ++round) slow += value(desk.next().starts[0].client) >= 20 ? 1.0 : 0;
    return slow / 6000;
  };
  const double spread = 4.5 * std::sqrt(0.25 / 6000);
  EXPECT_NEAR(slow_share("interval = 1", false), 2.0 / 3, spread);
  EXPECT_NEAR(slow_share("interval = 1", true), 0.5, spread);
  EXPECT_NEAR(slow_share("interval = 6000", false), 0.5, spread);
  EXPECT_NEAR(slow_share("choice = \"uniform\"", false), 0.5, spread);
  EXPECT_NEAR(slow_share("interval = 1\ncredits = 1", false), 0.5, 1e-12);  // the tiers take turns
}

TEST(Laws, StragglersHaveTheirShare) {
  for (const double share : {0.0, 0.5, 0.9}) {
    Desk desk("stragglers", fmt::format("cohort = 10\nshare = {}", share), equal_clients(100));
    Desk dropped("stragglers", fmt::format("cohort = 10\nshare = {}\nwork = \"dropped\"", share), equal_clients(100));
    desk.local.epochs = 20;
    dropped.local.epochs = 20;
    std::map<std::int64_t, int> epochs;
    for (int round = 0; round < 500; ++round) {
      const RoundPlan plan = desk.next();
      EXPECT_EQ(plan.commits.size(), 10U);
      for (const Participation& p : plan.starts) ++epochs[std::llround(20 * p.fraction)];
      const RoundPlan without = dropped.next();
      EXPECT_EQ(std::ssize(without.dropouts), std::llround(10 * share));
      EXPECT_EQ(clients(without.starts), clients(plan.starts));
    }
    const double stragglers = 5000 * share, each = stragglers / 19;  // 1 to 19 epochs, equally often
    EXPECT_EQ(epochs[20], 5000 - stragglers);
    for (int e = 1; e < 20; ++e) EXPECT_NEAR(epochs[e], each, 4.5 * std::sqrt(each) + 1e-9) << e << " epochs";
  }
}

// In proportion to examples: the first candidate of three clients with 1, 2 and 7 examples.
TEST(Laws, CandidatesAreDrawnByExamples) {
  Desk desk("power_of_choice", "cohort = 1\ncandidates = 1",
            std::make_shared<TimedTask>(std::vector<std::int64_t>{1, 2, 7}));
  double seen[3] = {};
  for (int round = 0; round < 5000; ++round) ++seen[value(desk.next().starts[0].client)];
  const double expected[] = {0.1, 0.2, 0.7};
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(seen[c] / 5000, expected[c], 4.5 * std::sqrt(expected[c] * (1 - expected[c]) / 5000));
  }
}

}  // namespace
}  // namespace shoal
