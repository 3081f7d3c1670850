// Does a plan predict exactly what the run then does?

#include "experiments/program/plan/plan.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "sim/round/run_round.hpp"
#include "sim/round/trainers.hpp"
#include "tests/composed.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::vector<CellPlan> planned(const std::string& toml, int ranks = 1) {
  return plan_experiment(Settings::parse(toml, "test.toml"), {.ranks = ranks, .measuring_seconds = 0});
}

// Sums over the records of run_round.
struct Totals {
  std::int64_t started = 0, committed = 0, dropouts = 0, bytes_down = 0, bytes_up = 0;
  Ticks time{};
};

Totals run(const Composed& parts) {
  FederationState state(parts.federation, 1, 0);
  const auto comm = single_rank();
  Trainers trainers(*parts.federation.task, 1);
  Totals sums;
  while (state.round < parts.rounds()) {
    const RoundRecord record = run_round(parts.federation, state, *comm, trainers);
    sums.started += record.started;
    sums.committed += record.committed;
    sums.dropouts += record.dropouts;
    sums.bytes_down += record.bytes_down;
    sums.bytes_up += record.bytes_up;
    sums.time = record.time;
  }
  return sums;
}

const char* const small_quadratic = R"(
rounds = 7
strategy = "scaffold"
task = {name = "quadratic", clients = 20, dimension = 5, examples = 30}
planner = {name = "uniform", cohort = 4}
local = {steps = 3, batch = 10}
population = {gflops = 0.001, down_mbytes = 0.004, up_mbytes = 0.001}
evaluate = {every = 3}
)";

TEST(Plan, CountsAQuadraticByHand) {
  const CellPlan plan = planned(small_quadratic).at(0);
  EXPECT_EQ(plan.parameters, 5);
  EXPECT_EQ(plan.rounds.rounds, 7);
  EXPECT_EQ(plan.rounds.planned, 7);
  EXPECT_EQ(plan.rounds.started, 28);
  EXPECT_EQ(plan.rounds.committed, 28);
  EXPECT_EQ(plan.rounds.dropouts, 0);
  // SCAFFOLD: parameters and control variate, both ways, 5 floats each.
  EXPECT_EQ(plan.rounds.message_bytes, 40);
  EXPECT_EQ(plan.rounds.update_bytes, 40);
  EXPECT_EQ(plan.rounds.bytes_down, 28 * 40);
  EXPECT_EQ(plan.rounds.bytes_up, 28 * 40);
  // 3 steps of 10 examples with 4 operations a parameter: 600 a client.
  EXPECT_DOUBLE_EQ(plan.rounds.flops, 28 * 600.0);
  // 40 bytes at 4 kB/s, 600 operations at 1 MFLOP/s, 40 bytes at 1 kB/s: 10 + 0.6 + 40 ms.
  EXPECT_EQ(value(plan.rounds.time), 7 * 50600);
  EXPECT_EQ(plan.rounds.live_versions, 1);
  EXPECT_EQ(plan.clients.sampled, 20);
  EXPECT_EQ(plan.clients.examples, std::vector<std::int64_t>(20, 30));
  // Two sums of 5 values; a control variate of 5 floats for each client; the server's two vectors and one version.
  EXPECT_EQ(plan.memory.sums, 80);
  EXPECT_EQ(plan.memory.clients, 20 * 20);
  EXPECT_EQ(plan.memory.versions, 40 + 40);
  EXPECT_EQ(plan.memory.data, 0);
  EXPECT_GT(plan.cell_seconds, 0);
  EXPECT_EQ(planned(small_quadratic, 4).at(0).memory.clients, 20 * 20 / 4);
}

const char* const small_optdigits = R"(
rounds = 12
data = "optdigits"
model = {name = "mlp", widths = [16]}
partition = {name = "dirichlet", clients = 100, alpha = 0.3}
planner = {name = "uniform", cohort = 10, dropout = 0.3}
population = {speed_sigma = 0.5, gflops = 0.01}
local = {epochs = 2, batch = 8}
)";

TEST(Plan, CountsOptdigitsByHand) {
  const CellPlan plan = planned(small_optdigits).at(0);
  EXPECT_EQ(plan.parameters, 64 * 16 + 16 + 16 * 10 + 10);
  EXPECT_EQ(plan.rounds.message_bytes, 4 * plan.parameters);
  EXPECT_EQ(plan.rounds.started, 120);
  EXPECT_EQ(plan.rounds.bytes_down, 120 * 4 * plan.parameters);
  EXPECT_EQ(plan.rounds.bytes_up, plan.rounds.committed * 4 * plan.parameters);
  EXPECT_EQ(plan.tested_examples, 1797);
  // 64 pixels a byte each, label and owner of 4 bytes, for 3823 and 1797 examples; the test examples have no owner.
  EXPECT_EQ(plan.memory.data, 3823 * (64 + 4 + 4) + 1797 * (64 + 4) + 4 * 100);
  std::int64_t examples = 0;
  for (const std::int64_t n : plan.clients.examples) examples += n;
  EXPECT_EQ(examples, 3823);
  EXPECT_EQ(plan.clients.of_label, (std::vector<std::int64_t>{376, 389, 380, 389, 387, 376, 377, 387, 380, 382}));
  EXPECT_EQ(plan.clients.empty, std::ranges::count(plan.clients.examples, 0));
}

TEST(Plan, EqualsTheRun) {
  for (const std::string& toml : {std::string(small_quadratic), std::string(small_optdigits),
                                  std::string(small_optdigits) + "[codec]\nname = \"plain\"\n"}) {
    const Composed parts = composed(toml);
    const RoundsPlan plan = plan_rounds(parts.federation, parts.rounds(), 60);
    const Totals real = run(parts);
    EXPECT_EQ(plan.time, real.time);
    EXPECT_EQ(plan.started, real.started);
    EXPECT_EQ(plan.committed, real.committed);
    EXPECT_EQ(plan.dropouts, real.dropouts);
    EXPECT_EQ(plan.bytes_down, real.bytes_down);
    EXPECT_EQ(plan.bytes_up, real.bytes_up);
  }
}

TEST(Plan, CountsTheWorkOfACohort) {
  const Composed parts = composed(small_optdigits);
  const RoundsPlan plan = plan_rounds(parts.federation, parts.rounds(), 0);  // one round
  EXPECT_EQ(plan.planned, 1);
  ASSERT_EQ(std::ssize(plan.first), plan.committed);
  // Forward and backward of 64-16-10: 2 operations per weight forward, as many for the weights' gradients, and for the
  // inputs' of the second layer.
  const double example = 4.0 * 64 * 16 + 6.0 * 16 * 10;
  double flops = 0;
  for (const Participation& p : plan.first) {
    const std::int64_t n = parts.federation.task->work(p.client).examples;
    const std::int64_t batches = (n + 7) / 8;
    flops += example * (std::min<std::int64_t>(n, 8) * 2 * batches);
  }
  EXPECT_NEAR(plan.flops, flops, 0.2 * flops);  // biases and activations
  EXPECT_DOUBLE_EQ(plan.to_all_rounds(plan.flops), 12 * plan.flops);
}

TEST(Plan, FitsFixedAndProportionalCost) {
  const TrainingCost line = fit_cost(1e6, 3, 3e6, 5);
  EXPECT_DOUBLE_EQ(line.fixed_seconds, 2);
  EXPECT_DOUBLE_EQ(line.seconds_per_flop, 1e-6);
  // A single step is all there is; the short training was the slower one; the times show a negative fixed part.
  for (const auto& [flops, seconds] : {std::pair{4.0, 2.0}, {1.0, 3.0}, {2.0, 0.5}}) {
    const TrainingCost through_zero = fit_cost(flops, seconds, 4, 2);
    EXPECT_EQ(through_zero.fixed_seconds, 0);
    EXPECT_EQ(through_zero.seconds_per_flop, 0.5);
  }
  const TrainingCost no_work = fit_cost(0, 2, 0, 3);
  EXPECT_EQ(no_work.fixed_seconds, 3);
  EXPECT_EQ(no_work.seconds_per_flop, 0);
}

// Training as it was seen of models of every kind: buffers are made in the first call, each call has a fixed cost, and
// each step costs the same. The share of the work that fits into the time may be less than two steps.
TEST(Plan, PredictsTrainingWithinAFactorOfTwo) {
  struct Training {
    const char* model;
    std::int64_t steps;
    double flops, seconds;  // per step
    double fixed, first;    // seconds per call, and more for the first
  };
  for (const Training& real : {Training{"cnn_mcmahan", 300, 1.2e9, 0.016, 0.02, 2.4},
                               {"cnn_fedjax", 300, 4e8, 0.008, 0.01, 1.0},
                               {"resnet", 50, 3e10, 0.6, 0.02, 5.0},
                               {"char_lstm", 80, 2e9, 0.07, 0.01, 1.5},
                               {"mlp", 60, 1.2e7, 5e-4, 1e-3, 0.1},
                               {"logistic_regression", 10, 5e4, 2e-5, 1e-4, 0.05},
                               {"quadratic", 1'000'000, 4e3, 1e-6, 1e-5, 1e-3},
                               {"agents", 10, 1e9, 0.5, 0.01, 3.0},
                               {"full batch", 1, 1e10, 0.2, 0.01, 3.0}}) {
    double spent = 0;
    int calls = 0;
    const auto train = [&](double share) {
      const double steps = std::max<std::int64_t>(1, std::llround(real.steps * share));
      const double seconds = real.fixed + steps * real.seconds + (calls++ == 0 ? real.first : 0);
      spent += seconds;
      return TimedTraining{steps * real.flops, seconds};
    };
    const double flops = real.steps * real.flops;
    const TrainingCost cost = measure_training(train, flops, 0.4);
    const double predicted = cost.fixed_seconds + flops * cost.seconds_per_flop;
    const double took = real.fixed + real.steps * real.seconds;
    EXPECT_GT(predicted, took / 2) << real.model;
    EXPECT_LT(predicted, took * 2) << real.model;
    EXPECT_LT(spent, real.first + 3 * real.seconds + 3) << real.model;
  }
}

// A client's 10^9 steps of 4000 operations take far longer than this test; a share of them is measured.
TEST(Plan, MeasuresAShareOfLongTraining) {
  const CellPlan plan =
      planned(
          "rounds = 1\ntask = {name = \"quadratic\", clients = 2, dimension = 1000}\nplanner = {cohort = 2}\n"
          "local = {steps = 1_000_000_000}\n")
          .at(0);
  EXPECT_DOUBLE_EQ(plan.rounds.flops, 2 * 4000e9);
  EXPECT_GT(plan.cell_seconds, 10);
}

TEST(Plan, SharesTextBetweenKindsOfCells) {
  const std::string toml =
      std::string(small_quadratic) + "[grid]\nstrategy = [\"fed_avg\", \"scaffold\"]\nseed = [3, 5]";
  const std::vector<CellPlan> kinds = planned(toml, 2);
  ASSERT_EQ(kinds.size(), 2U);
  EXPECT_EQ(kinds[0].label, "fed_avg");
  EXPECT_EQ(kinds[1].seeds, (std::vector<std::int64_t>{3, 5}));
  const std::string text = plan_text(kinds, {.ranks = 2});
  EXPECT_NE(text.find("all cells\n  model         5 parameters"), std::string::npos) << text;
  EXPECT_NE(text.find("2, seeds 3, 5 (figures are those of seed 3)"), std::string::npos) << text;
  EXPECT_NE(text.find("download      20 B a client, 80 B a round, 560 B in all"), std::string::npos) << text;
  EXPECT_NE(text.find("download      40 B a client, 160 B a round, 1.1 kB in all"), std::string::npos) << text;
  EXPECT_NE(text.find("virtual time  0.35 s in all"), std::string::npos) << text;
}

TEST(Plan, ReportsTheErrorsOfTheRun) {
  EXPECT_THROW(planned(std::string(small_quadratic) + "[codec]\nname = \"plane\""), UserError);
  EXPECT_THROW(planned("task = {name = \"quadratic\", clients = 3}\nplanner = {cohort = 4}"), UserError);
  // Only planning shows that too few clients hold examples.
  EXPECT_THROW(planned("partition = {name = \"iid\", clients = 5000}\nplanner = {cohort = 4000}"), UserError);
}

TEST(Plan, GroupsRanksAsTheRunDoes) {
  const auto check = [](std::int64_t ranks, std::int64_t cells, std::int64_t per_cell, std::int64_t groups) {
    EXPECT_EQ(rank_groups(ranks, cells).ranks_per_cell, per_cell);
    EXPECT_EQ(rank_groups(ranks, cells).count, groups);
  };
  check(1, 12, 1, 1);
  check(4, 12, 1, 4);
  check(12, 4, 3, 4);
  check(5, 1, 5, 1);
}

TEST(Histogram, HasEqualRanges) {
  EXPECT_TRUE(histogram({}).empty());
  const std::vector<std::int64_t> same = {7, 7, 7};
  EXPECT_EQ(histogram(same), (std::vector<std::string>{"7  ##############################  3"}));
  const std::vector<std::int64_t> some = {0, 9, 9, 9, 15, 10};  // 16 values in 8 ranges
  const std::vector<std::string> lines = histogram(some);
  ASSERT_EQ(lines.size(), 8U);
  EXPECT_EQ(lines[0], "  0 to 1  ##########                      1");
  EXPECT_EQ(lines[1], "  2 to 3                                  0");
  EXPECT_EQ(lines[4], "  8 to 9  ##############################  3");
  EXPECT_EQ(lines[5], "10 to 11  ##########                      1");
}

TEST(Clients, SamplesALargePopulation) {
  const Composed parts = composed("task = {name = \"quadratic\", clients = 10_000_000}");
  const ClientsPlan plan = look_at_clients(*parts.federation.task, 1);
  EXPECT_EQ(plan.clients, 10'000'000);
  EXPECT_EQ(plan.sampled, 10'000);
  EXPECT_EQ(plan.examples.size(), 10'000U);
}

TEST(Clients, CountsThoseWithTooLittleMemory) {
  const Federation parts = federation(
      "task = {name = \"quadratic\", clients = 1000}\n"
      "population = {memory_mbytes = 1000, devices = {name = \"tiers\", memory = [4, 2, 1]}, "
      "limits = {memory_mbytes = 1500}}");
  const ClientsPlan plan = look_at_clients(*parts.task, 1, parts.population.get());
  EXPECT_NEAR(plan.small / 1000.0, 1.0 / 3, 4.5 * std::sqrt(2.0 / 9 / 1000));
}

TEST(Clients, CountsWritersOfMnist) {
  if (std::getenv("SHOAL_DATA") == nullptr) GTEST_SKIP() << "SHOAL_DATA is not set";
  const Composed parts = composed("data = \"qmnist\"\npartition = \"natural\"");
  const ClientsPlan plan = look_at_clients(*parts.federation.task, 1);
  EXPECT_EQ(plan.clients, 539);
  EXPECT_EQ(plan.groups, std::vector<std::int64_t>(539, 1));
  EXPECT_EQ(plan.examples.front(), 19);
  EXPECT_EQ(plan.examples.back(), 131);
}

}  // namespace
}  // namespace shoal
