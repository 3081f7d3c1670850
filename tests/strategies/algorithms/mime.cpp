// Does Mime follow its update rule, with the mean gradient of everyone who takes part in the first exchange?
#include <gmock/gmock.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using test::federation;
using test::Hands;
using test::play;
using test::Played;

std::string two_clients(const std::string& precision, const std::string& rest = "") {
  return fmt::format(
      "{}\n[strategy]\nname = \"mime\"\n"
      "[task]\nname = \"quadratic\"\ncurvatures = [1, 4]\noptima = [0, 1]\nstart = 2\nprecision = \"{}\"\n"
      "[planner]\ncohort = 2\n[local]\nsteps = 5\nbatch = 0\nrate = 0.1\n",
      rest, precision);
}

// F_i = 1/2 h_i (x - b_i)^2 with h = (1, 4), b = (0, 1), beta = 0.9: from the update rule in high precision.
TEST(Mime, FollowsTheRuleOnQuadratics) {
  for (const std::string aggregator : {"", "aggregator = \"float_sum\"", "aggregator = \"kept_rows\""}) {
    for (const int ranks : {1, 2, 3}) {
      const Played played = play(federation(two_clients("float64", aggregator)), 3, {ranks, 1});
      const double want[] = {1.85724983645, 1.6030058667, 1.278661944922};
      for (std::size_t r = 0; r < 3; ++r) test::expect_close(played.params[r], {want[r]}, 1e-9, "params");
    }
  }
  test::expect_close(play(federation(two_clients("float64")), 1).strategy.tensor("momentum"), {0.3}, 1e-12, "m");
  test::expect_close(play(federation(two_clients("float64")), 2).strategy.tensor("momentum"), {0.5343124591125}, 1e-9,
                     "m");
}

const std::string mlp =
    "model = {name = \"mlp\", widths = [5]}\n"
    "data = {name = \"synthetic\", examples = 240, test_examples = 20, features = 6, classes = 3}\n"
    "partition = {name = \"dirichlet\", clients = 24, alpha = 0.5, minimum = 3}\n";

// Batches, and clients that drop out after the exchange, by a loop over single clients with autograd.
TEST(Mime, CountsThoseWhoDropOutAfterTheExchange) {
  const double beta = 0.6;
  const Federation parts = federation(
      "strategy = {name = \"mime\", beta = 0.6}\nplanner = {cohort = 14, dropout = 0.6}\n"
      "local = {steps = 4, batch = 3, rate = 0.1, block = 2}\npopulation = {speed_sigma = 1}\n" +
      mlp);
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  const test::Scores scores = [](const test::Parameters& p, const at::Tensor& x) {
    return test::dense_scores(p, 0, x);
  };
  at::Tensor x = task.initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  at::Tensor m = at::zeros_like(x);
  LocalSettings whole;
  whole.steps = 1;
  whole.batch = 0;
  whole.rate = 1;
  std::int64_t only_exchange = 0, before = 0;
  const Played played = play(parts, 3);
  for (std::size_t r = 0; r < 3; ++r) {
    at::Tensor sum = at::zeros_like(x), moved = at::zeros_like(x);
    std::int64_t gradients = 0, trained = 0;
    for (const ClientRow& row : played.records[r].clients) {
      // Those who drop out while they compute and send their gradient are not part of the exchange.
      const bool exchanged = row.committed || row.participation.outcome != dropout_in(own_phases);
      if (!exchanged) {
        ++before;
        continue;
      }
      sum -= test::reference_fit(task, scores, row.participation, whole, x, {}).delta;
      ++gradients;
      only_exchange += row.committed ? 0 : 1;
    }
    const at::Tensor c = sum / gradients;
    for (const ClientRow& row : played.records[r].clients) {
      if (!row.committed) continue;
      // On the batches of a local training, step by step.
      LocalSettings local = parts.local->at(1);
      at::Tensor y = x.clone();
      std::vector<std::int32_t> own = task.holdout().indices(row.participation.client, "train");
      const std::int64_t count = std::ssize(own), batch = std::min<std::int64_t>(3, count);
      RandomStream random(random_key(task.seed(), "task/shuffle"), value(row.participation.client),
                          value(row.participation.id));
      std::int64_t at = count;
      for (std::int64_t step = 0; step < local.local_steps(count, 1); ++step) {
        if (at == count) {
          at = 0;
          if (batch < count) shuffle(std::span(own), random);
        }
        const std::int64_t last = std::min(at + batch, count);
        const std::vector<std::int32_t> chosen(own.begin() + at, own.begin() + last);
        at = last;
        const auto gradient = [&](const at::Tensor& where) {
          test::Parameters p = test::leaves(task.layout(), where);
          at::cross_entropy_loss(scores(p, test::features(task.train(), chosen)), test::labels(task.train(), chosen))
              .backward();
          test::Parameters g;
          for (const at::Tensor& one : p) g.push_back(one.grad());
          return test::flat(g);
        };
        y = y - local.rate * ((1 - beta) * (gradient(y) - gradient(x) + c) + beta * m);
      }
      moved += y - x;
      ++trained;
    }
    if (trained == 0) continue;
    x = x + moved / trained;
    m = (1 - beta) * c + beta * m;
    EXPECT_LT(test::distance(played.params[r], x), 1e-4) << "round " << r + 1;
  }
  EXPECT_GT(only_exchange, 0);
  EXPECT_GT(before, 0);
  EXPECT_LT(test::distance(played.strategy.tensor("momentum"), m), 1e-4);
}

TEST(Mime, GivesTheSameBitsOnAnyRanks) {
  const Federation parts = federation(
      "strategy = \"mime\"\nplanner = {cohort = 14, dropout = 0.4}\nlocal = {steps = 3, batch = 3, block = 3}\n" + mlp);
  const std::string one = play(parts, 4).bits;
  for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) EXPECT_EQ(play(parts, 4, hands).bits, one);
}

// The exchange is on the clock and in the traffic: the gradient up, the mean down.
TEST(Mime, CountsTheExchange) {
  const auto rows = [](const std::string& strategy) {
    return play(federation(fmt::format("strategy = \"{}\"\nplanner = {{cohort = 10}}\nlocal = {{steps = 2}}\n{}",
                                       strategy, mlp)),
                1)
        .records[0];
  };
  const RoundRecord mime = rows("mime"), avg = rows("fed_avg");
  const Federation parts = federation("strategy = \"mime\"\n" + mlp);
  const std::int64_t model = 4 * parts.task->layout().size;
  ASSERT_EQ(mime.clients.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(mime.clients[i].bytes_down, avg.clients[i].bytes_down + 2 * model);  // momentum and mean gradient
    EXPECT_EQ(mime.clients[i].figures.bytes_up, avg.clients[i].figures.bytes_up + model);
  }
  EXPECT_GT(mime.time, avg.time);
}

TEST(Mime, Refuses) {
  const auto error = [](const std::string& rest) {
    return test::user_error_of([&] { play(federation("strategy = \"mime\"\n" + rest + mlp), 3); });
  };
  EXPECT_THAT(error("local = {momentum = 0.5}\n"), testing::HasSubstr("Set it to 0"));
  EXPECT_THAT(error("planner = {name = \"fed_buff\"}\n"), testing::HasSubstr("planner"));
  EXPECT_THAT(error("aggregator = \"median\"\n"), testing::HasSubstr("first exchange"));
  EXPECT_THAT(error("stages = [{name = \"gaussian\"}]\n"), testing::HasSubstr("uses more of them"));
}

}  // namespace
}  // namespace shoal
