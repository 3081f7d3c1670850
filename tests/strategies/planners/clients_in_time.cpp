// Do whole rounds respect availability, partial work and dropouts, with the same bits on any number of ranks?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <set>

#include "datasets/traces/trace_file.hpp"
#include "experiments/tasks/shared/population.hpp"
#include "strategies/planners/shared/start.hpp"
#include "tests/sim/round/scene.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using ::testing::HasSubstr;
using namespace shoal::test;

constexpr auto lively =
    "[population]\nspeed_sigma = 1\ngflops = 1e-6\noffline = \"{}\"\ndropouts = [0.05, 0.1, 0.05]\n"
    "availability = {{name = \"markov\", mean_on = 2, mean_off = 3}}\n"
    "regions = {{zones = [-6, 0, 9], outage = 0.1, outage_period = 5}}\n"
    "devices = {{name = \"tiers\", dropout = [0, 0.1, 0.2]}}\npartial = {{share = 0.4, levels = 4}}\n"
    "consent = {{task = 0.9}}\n";

std::string experiment_of(const std::string& planner, const std::string& population) {
  return fmt::format(
      "strategy = \"scaffold\"\nplanner = {}\ntask = {{name = \"quadratic\", clients = 120, dimension = 30}}\n"
      "local = {{steps = 4, rate = 0.05, block = 3}}\naggregator = {{weights = \"uniform\"}}\n{}",
      planner, population);
}

const std::vector<std::string> planners = {"{name = \"uniform\", cohort = 15, dropout = 0.1}",
                                           "{name = \"poisson\", cohort = 15, dropout = 0.1}",
                                           "{name = \"fed_buff\", concurrency = 12, buffer = 4, dropout = 0.1}",
                                           "{name = \"fed_buff\", concurrency = 12, buffer = 4, refill = \"at_step\"}"};

TEST(ClientsInTime, GiveTheSameBitsOnAnyRanks) {
  for (const std::string& planner : planners) {
    std::set<std::string> of_policy;
    for (const char* policy : {"abort", "pause", "check_at_end"}) {
      const Federation parts = federation(experiment_of(planner, fmt::format(fmt::runtime(lively), policy)));
      const std::string alone = run(parts, 12);
      EXPECT_EQ(run(parts, 12, 2), alone) << planner;
      EXPECT_EQ(run(parts, 12, 3, 2), alone) << planner;
      of_policy.insert(alone);
    }
    EXPECT_EQ(of_policy.size(), 3U) << planner;  // the policies differ
  }
}

TEST(ClientsInTime, StartOnlyWhenAvailableAndIdle) {
  for (const std::string& planner : planners) {
    const Federation parts = federation(experiment_of(planner, fmt::format(fmt::runtime(lively), "pause")));
    std::map<ClientId, Ticks> busy_until;
    std::vector<Participation> all;
    std::map<Outcome, int> outcomes;
    run(parts, 40, 1, 1, [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) {
      for (const ClientRow& row : record.clients) all.push_back(row.participation);
    });
    std::ranges::sort(all, {}, &Participation::start);
    for (const Participation& p : all) {
      EXPECT_TRUE(parts.population->available(p.client, p.start)) << planner;
      EXPECT_GE(p.start, busy_until[p.client]) << planner;
      busy_until[p.client] = p.finish;
      ++outcomes[p.outcome];
    }
    EXPECT_EQ(outcomes.size(), 4U) << planner;
  }
}

TEST(ClientsInTime, ChangeNothingWhenTurnedOff) {
  for (const std::string& planner : planners) {
    const std::string plain = run(federation(experiment_of(planner, "population = {speed_sigma = 1}\n")), 8);
    const std::string off =
        run(federation(experiment_of(planner,
                                     "[population]\nspeed_sigma = 1\noffline = \"pause\"\ndropouts = [0, 0]\n"
                                     "availability = \"always\"\ndevices = {name = \"tiers\", speeds = [1]}\n"
                                     "regions = {zones = [3, 4]}\nconsent = {general = 1}\npartial = {share = 0}\n"
                                     "limits = {power = \"any\"}\n")),
            8);
    EXPECT_EQ(plain, off) << planner;
  }
}

TEST(ClientsInTime, TrainAndChargePartialWork) {
  const Federation parts = federation(
      "task = {name = \"quadratic\", clients = 60, dimension = 5}\nlocal = {steps = 8, rate = 0.05}\n"
      "planner = {cohort = 30}\npopulation = {gflops = 1e-6, partial = {share = 0.6, levels = 4}}\n");
  std::set<std::int64_t> steps;
  run(parts, 5, 2, 1, [&](const RoundRecord& record, const FederationState&, Communicator& comm, Trainers&) {
    if (comm.rank() != 0) return;
    for (const ClientRow& row : record.clients) {
      const Participation& p = row.participation;
      EXPECT_EQ(row.figures.steps, std::llround(8 * p.fraction));
      steps.insert(row.figures.steps);
      // 5 values of 4 bytes each way at 4 and 1 bytes a microsecond; 20 operations a step at 1000 a second.
      EXPECT_EQ(value(p.finish - p.start), 5 + 20'000 * row.figures.steps + 20);
      EXPECT_EQ(row.figures.bytes_up, 20);
    }
  });
  EXPECT_EQ(steps, (std::set<std::int64_t>{2, 4, 6, 8}));
}

TEST(ClientsInTime, DropOutAfterPartialTraining) {
  const Federation parts = federation(
      "task = {name = \"quadratic\", clients = 60, dimension = 5}\nlocal = {steps = 8, rate = 0.05}\n"
      "planner = {cohort = 30}\npopulation = {gflops = 1e-6, partial = {share = 0.6, levels = 4, result = "
      "\"drop\"}}\n");
  std::int64_t dropped = 0;
  run(parts, 5, 1, 1, [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) {
    for (const ClientRow& row : record.clients) {
      const Participation& p = row.participation;
      EXPECT_EQ(row.committed, p.fraction == 1);
      if (row.committed) continue;
      ++dropped;
      EXPECT_EQ(p.outcome, Outcome::dropout_in_training);
      EXPECT_EQ(value(p.finish - p.start), 5 + 20'000 * std::llround(8 * p.fraction));
    }
  });
  // 0.6 x 3/4 of 150.
  EXPECT_NEAR(dropped, 67.5, 4.5 * std::sqrt(150 * 0.45 * 0.55));
}

// All clients are available from 1000 s to 2000 s of every 3000 s.
class ByTrace : public ::testing::Test {
 protected:
  ByTrace() {
    Trace trace;
    trace.add({.period = 3'000'000'000}, {{1'000'000'000, 2'000'000'000}});
    write_trace(trace, "clients-in-time.h5");
  }
  ~ByTrace() override { std::remove("clients-in-time.h5"); }
  const std::string population =
      "population = {gflops = 4e-9, availability = {name = \"trace\", file = \"clients-in-time.h5\"}}\n";
};

TEST_F(ByTrace, ClockAdvancesToTheNextAvailableClient) {
  for (const std::string& planner : planners) {
    std::vector<RoundRecord> records;
    // 480 operations a participation at 4 a second: 120 s each.
    run(federation(experiment_of(planner, population)), 60, 1, 1,
        [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) {
          records.push_back(record);
        });
    EXPECT_EQ(records[0].verdict, Verdict::abandoned) << planner;
    EXPECT_EQ(records[0].started, 0) << planner;
    EXPECT_EQ(seconds(records[0].time), 1000) << planner;
    EXPECT_EQ(records[1].verdict, Verdict::commit) << planner;
    std::int64_t waits = 0;
    Ticks before{};
    for (const RoundRecord& record : records) {
      EXPECT_GE(record.time, before) << planner;
      waits += record.started == 0 && record.clients.empty() ? 1 : 0;
      before = record.time;
    }
    EXPECT_GT(seconds(before), 4000) << planner;  // several windows were reached
    EXPECT_LT(waits, 12) << planner;              // and waiting for each is one round
  }
}

TEST_F(ByTrace, ClockAdvancesAfterAllDroppedOut) {
  const Federation parts = federation(
      "task = {name = \"quadratic\", clients = 3, dimension = 30}\nlocal = {steps = 4}\n"
      "planner = {name = \"fed_buff\", concurrency = 3, buffer = 1}\n" +
      population);
  std::vector<RoundRecord> records;
  run(parts, 60, 1, 1,
      [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) { records.push_back(record); });
  EXPECT_GT(seconds(records.back().time), 4000);
}

std::string user_error_in(const std::string& toml) {
  return user_error_of([&] { run(federation(toml), 3); });
}

TEST(ClientsInTime, FailClearlyWhenNoneIsEverAvailable) {
  for (const std::string& planner : planners) {
    EXPECT_THAT(user_error_in(experiment_of(planner, "population = {consent = {task = 0}}\n")),
                HasSubstr("no client is available at 0 s of virtual time or later (120 of 120 clients were asked"))
        << planner;
  }
  EXPECT_THAT(user_error_in(experiment_of(planners[0],
                                          "population = {availability = {name = \"bernoulli\", probability = 0}}\n")),
              HasSubstr("Loosen [population]"));
}

TEST(ClientsInTime, FailClearlyWhenAllHaveLeft) {
  for (const std::string& planner : planners) {
    const Federation parts =
        federation(experiment_of(planner, "population = {gflops = 1e-6, consent = {withdrawals = 20000}}\n"));
    std::int64_t trained = 0;
    EXPECT_THAT(user_error_of([&] {
                  run(parts, 100'000, 1, 1,
                      [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) {
                        trained += record.committed;
                      });
                }),
                HasSubstr("Loosen [population]"))
        << planner;
    EXPECT_GT(trained, 0) << planner;
  }
}

Scene scene_of(std::int64_t clients, const std::string& toml) {
  return {std::make_shared<UnequalTask>(clients, 1), toml};
}

// Messages of 4 MB, updates of 2 MB.
World world_at(Ticks now, const Scene& scene) { return scene.world(now, 4'000'000, 2'000'000); }

TEST(ClientsInTime, CostTheCohortNotThePopulation) {
  const Scene scene = scene_of(10'000'000, "availability = {name = \"diurnal\", mean = 0.125}\n");
  const World world = world_at(ticks(14 * 3600), scene);  // the trough: 5 % are available
  const std::vector<ClientId> cohort = planners::draw_clients(1000, 3, world);
  EXPECT_EQ(cohort.size(), 1000U);
  EXPECT_EQ(std::set<ClientId>(cohort.begin(), cohort.end()).size(), 1000U);
  for (const ClientId client : cohort) EXPECT_TRUE(scene.population.available(client, world.now));
  EXPECT_EQ(scene.task->times_asked(), 1000);  // no client that is not available was asked for its work
}

TEST(ClientsInTime, AreDrawnUniformly) {
  const Scene scene = scene_of(200, "availability = {name = \"bernoulli\", probability = 0.5, period = 86400}\n");
  const World world = world_at(Ticks{5}, scene);
  std::map<ClientId, double> times;
  for (std::int64_t draw = 1; draw <= 4000; ++draw) {
    for (const ClientId client : planners::draw_clients(10, draw, world)) ++times[client];
  }
  double available = 0;
  for (std::int64_t c = 0; c < 200; ++c) available += scene.population.available(ClientId{c}, world.now) ? 1 : 0;
  EXPECT_EQ(times.size(), available);
  const double expected = 40000 / available;
  double chi = 0;
  for (const auto& [client, count] : times) chi += (count - expected) * (count - expected) / expected;
  // With n clients the mean is n - 1, the deviation sqrt(2 (n - 1)); draws without replacement vary a little less.
  EXPECT_LT(chi, available + 4.5 * std::sqrt(2 * available));
}

TEST(ClientsInTime, UsePowerTimesTime) {
  const Scene scene = scene_of(3, "gflops = 1e-9\ntraining_watts = 5\nradio_watts = 2\n");
  // 4 and 2 MB at 4 and 1 MB/s: 3 s of radio; an epoch of one example of 10 operations at 1 a second.
  EXPECT_NEAR(world_at(Ticks{}, scene).joules(ClientId{1}), 3 * 2 + 10 * 5, 1e-9);
}

}  // namespace
}  // namespace shoal
