// Division of clients' examples, and evaluation in chunks.
#include "sim/task/supervised.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

const std::vector<std::int64_t> sizes{400, 1, 0, 2, 60, 157};

HoldoutShares shares(double validation, double test) {
  HoldoutShares out;
  out.validation = validation;
  out.test = test;
  return out;
}

SupervisedTask task_with(HoldoutShares held, std::int64_t test_examples = 600, std::uint64_t seed = 7) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({8, 1, 1}, 5, 620, 1));
  data->test = stored(test::random_examples({8, 1, 1}, 5, test_examples, 2));
  Network network({8, 1, 1});
  network.add(layers::linear(9)).add(layers::relu()).add(layers::linear(5));
  return {data, std::make_unique<test::Consecutive>(sizes), network, held, seed};
}

TEST(Holdout, KeepsItsSetsDisjointAndComplete) {
  const SupervisedTask task = task_with(shares(0.2, 0.1));
  const Holdout& holdout = task.holdout();
  std::set<std::int32_t> seen;
  for (std::int64_t client = 0; client < task.clients(); ++client) {
    std::int64_t sum = 0;
    for (const char* set : {"train", "validation", "test"}) {
      const std::vector<std::int32_t> own = holdout.indices(ClientId{client}, set);
      EXPECT_EQ(std::ssize(own), holdout.count(ClientId{client}, set));
      sum += std::ssize(own);
      for (const std::int32_t i : own) EXPECT_TRUE(seen.insert(i).second) << "example " << i << " is in two sets";
    }
    EXPECT_EQ(sum, sizes[client]);
    EXPECT_EQ(holdout.count(ClientId{client}, "train") > 0, sum > 0);
    EXPECT_EQ(task.work(ClientId{client}).examples, holdout.count(ClientId{client}, "train"));
  }
  EXPECT_EQ(seen.size(), 620U);
  EXPECT_EQ(holdout.count(ClientId{0}, "validation"), 80);
  EXPECT_EQ(holdout.count(ClientId{0}, "test"), 40);
}

TEST(Holdout, KeepsOneExampleToTrainOn) {
  const SupervisedTask task = task_with(shares(0.5, 0.49));
  EXPECT_EQ(task.holdout().count(ClientId{1}, "train"), 1);
  EXPECT_EQ(task.holdout().count(ClientId{3}, "train"), 1);
}

TEST(Holdout, DependsOnTheSeedAndIsOffByDefault) {
  const auto held = [](std::uint64_t seed) {
    return task_with(shares(0.2, 0), 600, seed).holdout().indices(ClientId{0}, "validation");
  };
  EXPECT_EQ(held(7), held(7));
  EXPECT_NE(held(7), held(8));
  const SupervisedTask task = task_with({});
  EXPECT_TRUE(task.holdout().indices(ClientId{0}, "validation").empty());
  EXPECT_EQ(task.holdout().indices(ClientId{0}, "train").size(), 400U);
  EXPECT_EQ(task.chunks("validation"), 0);
}

TEST(Holdout, RefusesToHoldOutEverything) {
  const Settings all = Settings::parse("validation = 0.5\ntest = 0.5", "test");
  EXPECT_THROW(HoldoutShares{all}, UserError);
}

struct Direct {
  std::int64_t correct;
  double loss;
};

Direct evaluate_directly(const SupervisedTask& task, const at::Tensor& params, const ExampleStore& from,
                         const std::vector<std::int32_t>& which) {
  const at::Tensor scores =
      test::dense_scores(test::leaves(task.layout(), params), 0, test::features(from, which)).detach();
  const at::Tensor y = test::labels(from, which);
  return {(scores.argmax(1) == y).sum().item<std::int64_t>(),
          at::cross_entropy_loss(scores.to(at::kDouble), y, {}, at::Reduction::Sum).item<double>()};
}

Evaluation sum_over(Trainer& trainer, const at::Tensor& params, std::string_view set,
                    const std::vector<std::int64_t>& order) {
  Evaluation sum;
  for (const std::int64_t i : order) {
    const Evaluation one = trainer.evaluate(params, {.set = std::string(set), .index = i});
    sum.examples += one.examples;
    sum.correct += one.correct;
    sum.loss += one.loss;
  }
  return sum;
}

void expect_direct(const SupervisedTask& task, std::string_view set, const ExampleStore& from,
                   const std::vector<std::int32_t>& which) {
  const at::Tensor params = task.initial_parameters(random_key(3, "model/initial_parameters")) * 3;
  std::vector<std::int64_t> order(task.chunks(set));
  std::iota(order.begin(), order.end(), 0);
  const auto trainer = task.trainer();
  const Evaluation forwards = sum_over(*trainer, params, set, order);
  const Direct want = evaluate_directly(task, params, from, which);
  EXPECT_EQ(forwards.examples, std::ssize(which));
  EXPECT_EQ(forwards.correct, want.correct);
  EXPECT_NEAR(forwards.loss * Evaluation::loss_unit, want.loss, 1e-6 * want.loss);

  std::ranges::reverse(order);
  const auto another = task.trainer();
  const Evaluation backwards = sum_over(*another, params, set, order);
  EXPECT_EQ(forwards.loss, backwards.loss);
  EXPECT_EQ(forwards.correct, backwards.correct);
}

std::vector<std::int32_t> first(std::int32_t count) {
  std::vector<std::int32_t> out(count);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

TEST(SupervisedTask, EvaluatesTheTestSet) {
  const SupervisedTask task = task_with({});
  EXPECT_EQ(task.chunks("test"), 3);
  expect_direct(task, "test", DenseStore(test::random_examples({8, 1, 1}, 5, 600, 2)), first(600));
}

TEST(SupervisedTask, EvaluatesWhatClientsTrainOnAndHoldOut) {
  const SupervisedTask task = task_with(shares(0.2, 0.1));
  expect_direct(task, "train", task.train(), task.holdout().all_indices("train"));
  expect_direct(task, "validation", task.train(), task.holdout().all_indices("validation"));
  expect_direct(task_with({}), "train", task.train(), first(620));
}

TEST(SupervisedTask, WithoutATestSetTestsOnWhatClientsHoldOut) {
  const SupervisedTask task = task_with(shares(0.2, 0.1), 0);
  expect_direct(task, "test", task.train(), task.holdout().all_indices("test"));
}

TEST(SupervisedTask, HasNoExamplesInAnUnknownSet) {
  const SupervisedTask task = task_with(shares(0.2, 0.1));
  EXPECT_EQ(task.chunks("unknown"), 0);
  EXPECT_EQ(task.evaluated_examples("unknown"), 0);
  EXPECT_FALSE(task.clients_have("unknown"));
  EXPECT_EQ(task.holdout().count(ClientId{0}, "unknown"), 0);
  EXPECT_TRUE(task.holdout().indices(ClientId{0}, "unknown").empty());
  const auto trainer = task.trainer();
  const at::Tensor params = at::zeros({task.layout().size});
  EXPECT_EQ(trainer->evaluate_own(params, ClientId{0}, "unknown").examples, 0);
  EXPECT_THROW(trainer->evaluate(params, {"unknown", 0}), BrokenInvariant);
}

TEST(SupervisedTask, NamesItsSets) {
  const auto sets = [](HoldoutShares held, std::int64_t test_examples) {
    return task_with(held, test_examples).sets();
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(sets({}, 600), (Names{"train", "test"}));
  EXPECT_EQ(sets(shares(0.2, 0), 600), (Names{"train", "validation", "test"}));
  EXPECT_EQ(sets(shares(0.2, 0.1), 0), (Names{"train", "validation", "test"}));
  EXPECT_EQ(sets(shares(0.2, 0), 0), (Names{"train", "validation"}));
}

TEST(SupervisedTask, EvaluatesWhatTheServerHolds) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({8, 1, 1}, 5, 650, 1));
  Network network({8, 1, 1});
  network.add(layers::linear(9)).add(layers::relu()).add(layers::linear(5));
  std::vector<std::int32_t> held(30);
  std::iota(held.begin(), held.end(), 620);  // clients hold the first 620
  const SupervisedTask task(data, std::make_unique<test::Consecutive>(sizes), network, {}, 7, {.server = held});
  EXPECT_EQ(task.sets(), (std::vector<std::string>{"train", "server"}));
  expect_direct(task, "server", *data->train, held);
  EXPECT_FALSE(task.clients_have("server"));
}

TEST(SupervisedTask, EvaluatesADivergedModel) {
  const SupervisedTask task = task_with({});
  for (const double poison : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const Evaluation got = task.trainer()->evaluate(at::full({task.layout().size}, poison), {"test", 0});
    EXPECT_EQ(got.examples, 256);
    EXPECT_EQ(got.correct, 0);
    EXPECT_FALSE(std::isfinite(got.mean_loss()));
  }
}

TEST(SupervisedTask, RefusesDataThatDoNotFitTheNetwork) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({8, 1, 1}, 5, 620, 1));
  Network narrow({8, 1, 1}), other({9, 1, 1});
  narrow.add(layers::linear(4));
  other.add(layers::linear(5));
  const auto build = [&](const Network& network) {
    SupervisedTask(data, std::make_unique<test::Consecutive>(sizes), network, {}, 1);
  };
  EXPECT_THROW(build(narrow), BrokenInvariant);
  EXPECT_THROW(build(other), BrokenInvariant);
}

}  // namespace
}  // namespace shoal
