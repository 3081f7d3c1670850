// Does the asynchronous planner order events as promised, with the staleness that queueing theory predicts?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

#include "tests/strategies/federations.hpp"
#include "tests/strategies/planners/desk.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

bool same(const RoundPlan& a, const RoundPlan& b) {
  const auto tied = [](const Participation& p) {
    return std::tuple(p.id, p.client, p.version, p.start, p.finish, p.fraction, p.outcome);
  };
  const auto commit = [](const Commit& c) { return std::pair(c.id, c.weight); };
  return a.verdict == b.verdict && a.time == b.time && a.dropouts == b.dropouts &&
         std::ranges::equal(a.starts, b.starts, {}, tied, tied) &&
         std::ranges::equal(a.commits, b.commits, {}, commit, commit);
}

double weight(double staleness) { return 1 / std::sqrt(1 + staleness); }

// Clients 0 to 4 take 1, 2, -, 4 and 8 ms; client 2 has no examples. A draw is the head of its permutation without the
// busy ones, so the traces below follow by hand from the ten draws.
class FedBuffByHand : public testing::Test {
 protected:
  FedBuffByHand() { expect_draws_of_five(); }
  std::shared_ptr<const Task> task_ = std::make_shared<TimedTask>(std::vector<std::int64_t>{1, 2, 0, 4, 8});
};

TEST_F(FedBuffByHand, RefillsAtOnce) {
  Desk desk("fed_buff", "concurrency = 2\nbuffer = 2", task_);
  expect_steps(desk, {
                         {3, {{3, 0, 0, 4}, {0, 0, 0, 1}, {1, 0, 1, 3}}, {{1, 1}, {2, 1}}},
                         {6, {{4, 1, 3, 11}, {1, 1, 4, 6}}, {{0, weight(1)}, {4, 1}}},
                         {9, {{1, 2, 6, 8}, {0, 2, 8, 9}}, {{5, 1}, {6, 1}}},
                         // Clients 1 and 3 both end at 13 ms: client 1 counts, client 3 waits for the next step.
                         {13, {{3, 3, 9, 13}, {1, 3, 11, 13}}, {{3, weight(2)}, {8, 1}}},
                         {15, {{1, 4, 13, 15}, {4, 4, 13, 21}}, {{7, weight(1)}, {9, 1}}},
                     });
}

TEST_F(FedBuffByHand, RefillsAtTheStep) {
  Desk desk("fed_buff", "concurrency = 3\nbuffer = 2\nrefill = \"at_step\"", task_);
  expect_steps(desk, {
                         {2, {{3, 0, 0, 4}, {0, 0, 0, 1}, {1, 0, 0, 2}}, {{1, 1}, {2, 1}}},
                         {4, {{0, 1, 2, 3}, {1, 1, 2, 4}}, {{3, 1}, {4, 1}}},
                         {6, {{4, 2, 4, 12}, {1, 2, 4, 6}}, {{0, weight(2)}, {6, 1}}},
                     });
}

TEST(FedBuff, HasTheStalenessOfLittlesLaw) {
  struct Case {
    int concurrency, buffer;
  };
  for (const double sigma : {0.0, 0.5, 1.0}) {
    for (const auto [concurrency, buffer] : {Case{20, 1}, Case{20, 10}, Case{50, 7}, Case{10, 15}}) {
      const std::string toml =
          fmt::format("concurrency = {}\nbuffer = {}\nmax_staleness = 1000000\n", concurrency, buffer);
      const std::string population = fmt::format("speed_sigma = {}", sigma);
      const auto task = equal_clients(3000);
      const double expected = (concurrency - 1.0) / buffer;
      // 2,000 steps after a warm-up; the law holds for the mean whatever the durations are.
      EXPECT_NEAR(Desk("fed_buff", toml, task, population).mean_staleness(200, 2000), expected, 0.03 * expected + 0.01)
          << "at once, " << concurrency << " in flight, buffer " << buffer << ", sigma " << sigma;
      if (buffer > concurrency) continue;
      const double at_step = 1.0 * concurrency / buffer - 1;
      EXPECT_NEAR(Desk("fed_buff", toml + "refill = \"at_step\"", task, population).mean_staleness(200, 2000), at_step,
                  0.03 * at_step + 0.01)
          << "at step, " << concurrency << " in flight, buffer " << buffer << ", sigma " << sigma;
    }
  }
}

TEST(FedBuff, IsSynchronousWhenTheBufferIsTheCohort) {
  std::vector<std::int64_t> examples;
  for (std::int64_t c = 0; c < 60; ++c) examples.push_back(c % 7);  // some have none
  const auto task = std::make_shared<TimedTask>(examples);
  for (const std::string dropout : {"0", "0.3", "1"}) {
    const std::string population = "speed_sigma = 1";
    Desk sync("uniform", "cohort = 12\ndropout = " + dropout, task, population);
    Desk async("fed_buff", "concurrency = 12\nbuffer = 12\nrefill = \"at_step\"\ndropout = " + dropout, task,
               population);
    for (int round = 0; round < 50; ++round) {
      ASSERT_TRUE(same(sync.next(), async.next())) << "round " << round << ", dropout " << dropout;
    }
  }
}

TEST(FedBuff, GivesTheSynchronousModel) {
  const std::string rest =
      "\n[task]\nname = \"quadratic\"\nclients = 40\n[population]\nspeed_sigma = 1\n[strategy]\nname = \"scaffold\"\n";
  EXPECT_EQ(run(federation("[planner]\nname = \"uniform\"\ncohort = 8\ndropout = 0.2" + rest), 10),
            run(federation("[planner]\nname = \"fed_buff\"\nconcurrency = 8\nbuffer = 8\nrefill = \"at_step\"\n"
                           "dropout = 0.2" +
                           rest),
                10));
}

TEST(FedBuff, KeepsTheFlightFull) {
  for (const std::string refill : {"at_once", "at_step"}) {
    Desk desk("fed_buff", "concurrency = 30\nbuffer = 10\ndropout = 0.3\nrefill = \"" + refill + "\"",
              equal_clients(60), "speed_sigma = 1");
    std::int64_t dropouts = 0;
    for (int step = 0; step < 300; ++step) {
      const RoundPlan plan = desk.next();
      dropouts += std::ssize(plan.dropouts);
      EXPECT_EQ(plan.commits.size(), 10U);
      std::set<ClientId> clients;
      for (const Participation& p : desk.committed) EXPECT_TRUE(clients.insert(p.client).second);
      EXPECT_TRUE(refill == "at_step" || desk.in_flight() == 29U);  // the last arrival is replaced after the step
    }
    EXPECT_EQ(desk.twice_in_flight(), 0);
    EXPECT_NEAR(dropouts, 300 * 10 * 0.3 / 0.7, 200);  // five deviations
  }
}

TEST(FedBuff, StopsClientsThatAreTooStale) {
  // Client 0 takes a thousand times as long as the others.
  std::vector<std::int64_t> examples(12, 1);
  examples[0] = 1000;
  Desk desk("fed_buff", "concurrency = 5\nbuffer = 2\nmax_staleness = 3", std::make_shared<TimedTask>(examples));
  int stopped = 0;
  for (int step = 0; step < 300; ++step) {
    const RoundPlan plan = desk.next();
    stopped += plan.dropouts.size();
    for (const Participation& p : desk.committed) EXPECT_LE(desk.version_before - value(p.version), 3);
    for (const Participation& p : desk.committed) EXPECT_NE(p.client, ClientId{0});
  }
  EXPECT_GT(stopped, 5);
}

TEST(FedBuff, BoundsLiveVersions) {
  const Federation parts = federation(
      "[task]\nname = \"quadratic\"\nclients = 200\n[population]\nspeed_sigma = 2\n"
      "[planner]\nname = \"fed_buff\"\nconcurrency = 40\nbuffer = 4\nmax_staleness = 6\n");
  std::size_t most = 0;
  std::int64_t stopped = 0;
  run(parts, 200, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    most = std::max(most, state.messages.size());
    std::set<ClientId> clients;
    for (const auto& [id, running] : state.in_flight) {
      EXPECT_TRUE(clients.insert(running.client).second);
      EXPECT_TRUE(state.messages.contains(running.version));
    }
    for (const ClientRow& row : record.clients) {
      stopped += row.participation.outcome == Outcome::stopped ? 1 : 0;
    }
  });
  EXPECT_GT(most, 3U);
  EXPECT_LE(most, 7U);
  EXPECT_GT(stopped, 0);
}

TEST(FedBuff, HasTheSameBitsOnAnyRanks) {
  for (const std::string strategy : {"fed_avg", "scaffold"}) {
    const Federation parts = federation(
        "[task]\nname = \"quadratic\"\nclients = 100\ndimension = 30\n[population]\nspeed_sigma = 1\n"
        "[local]\nsteps = 3\nblock = 4\n[planner]\nname = \"fed_buff\"\nconcurrency = 12\nbuffer = 5\ndropout = 0.1\n"
        "[strategy]\nname = \"" +
        strategy + "\"\n");
    const std::string one = run(parts, 20);
    for (const auto& [ranks, threads] : {std::pair{1, 1}, {1, 2}, {2, 1}, {3, 2}}) {
      EXPECT_EQ(run(parts, 20, ranks, threads), one) << ranks << " ranks, " << threads << " threads";
    }
  }
}

// Every client returns 1, with equal weight: the server's step is the result of the normalisation alone.
class Ones final : public Strategy {
 public:
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform)};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return Rows(at::ones_like(clients.train(server.params()).delta.dense()));
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().copy_(groups[0].mean());
  }
};

TEST(FedBuff, DividesAsNormaliseSays) {
  struct Case {
    std::string toml;
    std::function<double(const std::vector<double>&)> expected;  // from the staleness of each commit
  };
  const auto mean_of = [](double exponent) {
    return [exponent](const std::vector<double>& staleness) {
      double sum = 0;
      for (const double s : staleness) sum += std::pow(1 + s, -exponent);
      return sum / staleness.size();
    };
  };
  const auto one = [](const std::vector<double>&) { return 1.0; };
  for (const auto& [toml, expected] :
       {Case{"", mean_of(0.5)}, Case{"exponent = 2\n", mean_of(2)}, Case{"normalise = \"weights\"\n", one},
        Case{"staleness_weight = \"constant\"\n", one}}) {
    Federation parts = federation(
        "[task]\nname = \"quadratic\"\nclients = 100\nprecision = \"float64\"\n[population]\nspeed_sigma = 1\n"
        "[planner]\nname = \"fed_buff\"\nconcurrency = 20\nbuffer = 4\n" +
        toml);
    parts.strategy = std::make_shared<Ones>();
    bool stale = false;
    run(parts, 30, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
      std::vector<double> staleness;
      for (const ClientRow& row : record.clients) {
        if (row.committed) staleness.push_back(record.round - 1 - value(row.participation.version));
      }
      for (const double s : staleness) stale = stale || s > 0;
      EXPECT_NEAR(state.strategy().params()[0].item<double>(), expected(staleness), 1e-7) << toml;  // weights: 2^-24
    });
    EXPECT_TRUE(stale);
  }
}

TEST(FedBuff, RefusesWhatCannotRun) {
  const auto error = [](const std::string& toml, std::int64_t clients) {
    return user_error_of([&] { Desk("fed_buff", toml, equal_clients(clients)); });
  };
  EXPECT_THAT(error("", 18), testing::HasSubstr("19 clients in flight or in the buffer (the population has 18)"));
  EXPECT_EQ(error("", 19), "");
  EXPECT_THAT(error("buffer = 11\nrefill = \"at_step\"", 100), testing::HasSubstr("Lower 'buffer'."));
  EXPECT_THAT(error("dropout = 1", 100), testing::HasSubstr("no update ever arrives"));
  std::vector<std::int64_t> examples(40, 0);
  std::fill_n(examples.begin(), 9, 1);
  EXPECT_THAT(user_error_of([&] { Desk("fed_buff", "", std::make_shared<TimedTask>(examples)); }),
              testing::HasSubstr("(of 40 only 9 have examples)"));
}

}  // namespace
}  // namespace shoal
