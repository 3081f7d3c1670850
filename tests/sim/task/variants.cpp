// Does a client train its variant of the model as if there were no other, and who trains which?
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "experiments/tasks/shared/population.hpp"
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/task/client_variants.hpp"
#include "sim/task/quadratic.hpp"
#include "sim/task/stacked_trainer.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/sim/task/figures.hpp"

namespace shoal {
namespace {

using test::column;

const std::vector<std::int64_t> sizes{23, 10, 7, 1, 30, 12, 9, 16, 21};
constexpr double close = 1e-5;  // relative to the largest change: float32 sums in another order

Network network(std::int64_t channels, std::int64_t width) {
  Network net({2, 6, 6});
  net.add(layers::conv2d(channels, 3, 1)).add(layers::relu()).add(layers::flatten());
  net.add(layers::linear(width)).add(layers::relu()).add(layers::linear(5));
  return net;
}

Network nested() {
  Network whole = network(4, 12);
  whole.vary(network(2, 6)).vary(network(1, 3));
  return whole;
}

SupervisedTask task_of(Network model, std::vector<std::int32_t> variants = {}) {
  auto data = std::make_shared<Dataset>();
  std::int64_t examples = 0;
  for (const std::int64_t n : sizes) examples += n;
  data->train = stored(test::random_examples({2, 6, 6}, 5, examples, 1));
  data->test = stored(test::random_examples({2, 6, 6}, 5, 300, 2));
  return {data, std::make_unique<test::Consecutive>(sizes), std::move(model), {}, 7, {.variants = std::move(variants)}};
}

std::vector<Participation> block_of(std::int64_t clients, std::int32_t variant) {
  std::vector<Participation> block;
  for (std::int64_t c = 0; c < clients; ++c) {
    block.push_back(test::participation(c, 50 + c, c == 2 ? 0.5 : 1));
    block.back().variant = variant;
  }
  return block;
}

at::Tensor start_of(const Task& task, std::uint64_t seed = 1) {
  return task.initial_parameters(random_key(seed, "model/initial_parameters"));
}

at::Tensor part_of(const Task& task, std::int32_t variant, const at::Tensor& whole) {
  return whole.index_select(0, task.layout(variant).places);
}

struct Fit {
  at::Tensor change;  // [K, d]
  std::vector<double> loss;
};

Fit fit(Trainer& trainer, const std::vector<Participation>& block, const LocalSettings& local, const at::Tensor& start,
        const Correction& correction = {}) {
  trainer.open(block, local);
  const LocalResult result = trainer.fit(start, correction);
  return {result.delta.dense().clone(), column(&ClientFigures::loss, result)};
}

void expect_same(const Fit& a, const Fit& b) {
  EXPECT_TRUE(at::equal(a.change, b.change));
  EXPECT_EQ(a.loss, b.loss);
}

LocalSettings settings(BlockForm form) {
  LocalSettings local;
  local.form = form;
  local.epochs = 2;
  local.momentum = 0.9;
  local.weight_decay = 0.01;
  return local;
}

const std::vector<BlockForm> forms{BlockForm::in_turn, BlockForm::stacked, BlockForm::grouped};

// One trainer serves all variants in turn, so that the buffers of one could leak into another.
TEST(ClientVariants, TrainLikePlainModelsOfTheirSize) {
  const SupervisedTask task = task_of(nested());
  const std::vector<SupervisedTask> plain = [] {
    std::vector<SupervisedTask> all;
    all.reserve(3);
    for (const auto& [channels, width] : {std::pair(4, 12), {2, 6}, {1, 3}})
      all.push_back(task_of(network(channels, width)));
    return all;
  }();
  StackedTrainer trainer(task);
  const at::Tensor whole = start_of(task);
  for (const BlockForm form : forms) {
    for (const std::int32_t v : {0, 1, 2, 1, 0}) {
      const at::Tensor start = v == 0 ? whole : part_of(task, v, whole);
      Correction correction{.pull = 0.2, .anchor = 0.9 * start, .shift = 0.1 * start};
      const auto alone = plain[v].trainer();
      for (const std::int64_t clients : {5, 1}) {
        expect_same(fit(trainer, block_of(clients, v), settings(form), start, correction),
                    fit(*alone, block_of(clients, 0), settings(form), start, correction));
      }
      trainer.open(block_of(4, v), settings(form));
      const at::Tensor gradient = trainer.gradient(start).delta.dense().clone();
      alone->open(block_of(4, 0), settings(form));
      EXPECT_TRUE(at::equal(gradient, alone->gradient(start).delta.dense()));
    }
  }
}

TEST(ClientVariants, OneAndEightClientsAgree) {
  const SupervisedTask task = task_of(nested());
  for (const std::int32_t v : {1, 2}) {
    const std::vector<Participation> block = block_of(8, v);
    const at::Tensor start = part_of(task, v, start_of(task));
    for (const BlockForm form : forms) {
      StackedTrainer trainer(task);
      const Fit together = fit(trainer, block, settings(form), start);
      for (std::size_t k = 0; k < block.size(); ++k) {
        const Fit alone = fit(trainer, {block[k]}, settings(form), start);
        EXPECT_LT(test::distance(together.change[k], alone.change[0]), close) << name(form);
        EXPECT_NEAR(together.loss[k], alone.loss[0], close * (1 + alone.loss[0])) << name(form);
        if (form == BlockForm::in_turn) {
          EXPECT_TRUE(at::equal(together.change[k], alone.change[0]));
        }
      }
    }
  }
}

TEST(ClientVariants, AreEvaluatedAsWhatTheParametersAre) {
  const SupervisedTask task = task_of(nested(), {0, 1, 2, 0, 1, 2, 0, 1, 2}), half = task_of(network(2, 6));
  const at::Tensor whole = start_of(task), part = part_of(task, 1, whole);
  StackedTrainer trainer(task), of_half(half);
  const auto same = [](const Evaluation& a, const Evaluation& b) {
    return a.examples == b.examples && a.correct == b.correct && a.loss == b.loss;
  };
  const SupervisedTask one = task_of(network(4, 12));
  StackedTrainer of_whole(one);
  EXPECT_TRUE(same(trainer.evaluate(whole, {"test", 0}), of_whole.evaluate(whole, {"test", 0})));
  EXPECT_TRUE(same(trainer.evaluate_own(part, ClientId{4}, "train"), of_half.evaluate_own(part, ClientId{4}, "train")));
  EXPECT_TRUE(
      same(trainer.evaluate_own(whole, ClientId{4}, "train"), of_whole.evaluate_own(whole, ClientId{4}, "train")));
}

TEST(ClientVariants, WorkIsThatOfTheirVariant) {
  const SupervisedTask task = task_of(nested(), {0, 1, 2, 0, 1, 2, 0, 1, 2});
  EXPECT_EQ(task.variants(), 3);
  const auto flops = [](double channels, double width) {
    return 2 * (2 * channels * 36 * 2 * 9) + 3 * (2 * channels * 36 * width + 2 * width * 5);
  };
  EXPECT_EQ(task.work(ClientId{3}).flops_per_example, flops(4, 12));
  EXPECT_EQ(task.work(ClientId{4}).flops_per_example, flops(2, 6));
  EXPECT_EQ(task.work(ClientId{5}).flops_per_example, flops(1, 3));
  EXPECT_EQ(task.work(ClientId{5}).examples, 12);
  EXPECT_EQ(task.variant(ClientId{5}), 2);
  EXPECT_EQ(task.layout(2).size, network(1, 3).layout().size);
  EXPECT_EQ(&task.layout(0), &task.layout());
}

TEST(ClientVariants, RefuseMixedBlocksAndOtherSizes) {
  const SupervisedTask task = task_of(nested());
  StackedTrainer trainer(task);
  std::vector<Participation> mixed = block_of(2, 1);
  mixed[1].variant = 2;
  EXPECT_THROW(trainer.open(mixed, {}), BrokenInvariant);
  EXPECT_THROW(fit(trainer, block_of(2, 1), {}, start_of(task)), BrokenInvariant);
  EXPECT_THROW(task_of(nested(), {0, 1}), BrokenInvariant);                           // for 2 of 9 clients
  EXPECT_THROW(task_of(nested(), std::vector<std::int32_t>(9, 3)), BrokenInvariant);  // there are 0, 1, 2
}

TEST(ClientVariants, AreOneInTasksWithoutThem) {
  const SupervisedTask task = task_of(network(2, 6));
  const Quadratic quadratic(Settings(), 1);
  for (const Task* each : std::initializer_list<const Task*>{&task, &quadratic}) {
    EXPECT_EQ(each->variants(), 1);
    EXPECT_EQ(each->variant(ClientId{3}), 0);
    EXPECT_EQ(&each->layout(0), &each->layout());
    EXPECT_FALSE(each->layout().places.defined());
    EXPECT_THROW(each->layout(1), BrokenInvariant);
  }
}

// --- Who trains which ------------------------------------------------------------------------------------------------

std::vector<std::int32_t> assigned(const std::string& task, std::int32_t variants, std::int64_t clients,
                                   std::uint64_t seed = 1, const std::string& population = "") {
  const Settings settings = Settings::parse(task, "test.toml");
  const std::vector<std::int32_t> all = ClientVariants(settings).assign(
      variants, [&] { return make_population(Settings::parse(population, "test.toml"), seed, clients); });
  settings.finish();
  return all;
}

TEST(ClientVariants, AreDrawnWithTheirShares) {
  constexpr std::int64_t clients = 20000;
  const std::vector<double> shares{0.5, 0, 0.2, 0.3};
  const std::vector<std::int32_t> all = assigned("variant_shares = [5, 0, 2, 3]", 4, clients);
  ASSERT_EQ(std::ssize(all), clients);
  for (std::size_t v = 0; v < shares.size(); ++v) {
    // 4 standard errors of a binomial share
    const double share = 1.0 * std::ranges::count(all, v) / clients;
    EXPECT_NEAR(share, shares[v], 4 * std::sqrt(shares[v] * (1 - shares[v]) / clients));
  }
  for (std::int32_t v = 0; v < 3; ++v) EXPECT_NEAR(std::ranges::count(assigned("", 3, clients), v), clients / 3.0, 270);

  // A function of seed and client alone.
  EXPECT_EQ(assigned("variant_shares = [5, 0, 2, 3]", 4, 50), std::vector(all.begin(), all.begin() + 50));
  EXPECT_NE(assigned("variant_shares = [5, 0, 2, 3]", 4, 50, 2), std::vector(all.begin(), all.begin() + 50));
}

TEST(ClientVariants, FollowTheTiersOfDevices) {
  const std::string population = "devices = {name = \"tiers\", speeds = [4, 2, 1]}";
  const std::vector<std::int32_t> all =
      assigned("variant = \"tier\"\nvariant_of_tier = [0, 2, 1]", 3, 200, 5, population);
  const Population clients = make_population(Settings::parse(population, "test.toml"), 5, 200);
  ASSERT_EQ(all.size(), 200U);
  for (std::int64_t c = 0; c < 200; ++c) {
    const double speed = clients.device(ClientId{c}).flops_per_second / 1e9;
    EXPECT_EQ(all[c], speed == 4 ? 0 : speed == 2 ? 2 : 1) << c;
  }
  EXPECT_GT(std::ranges::count(all, 2), 0);
}

TEST(ClientVariants, SettingsMustFit) {
  EXPECT_TRUE(assigned("", 1, 10).empty());
  const std::string tiers = "devices = {name = \"tiers\", speeds = [4, 2, 1]}";
  EXPECT_THROW(assigned("variant_shares = [1, 1]", 3, 10), UserError);
  EXPECT_THROW(assigned("variant_shares = [0, 0]", 2, 10), UserError);
  EXPECT_THROW(assigned("variant_shares = [1]", 1, 10), UserError);
  EXPECT_THROW(assigned("variant_of_tier = [0, 1, 1]", 2, 10, 1, tiers), UserError);
  EXPECT_THROW(assigned("variant = \"tier\"", 2, 10, 1, tiers), UserError);
  EXPECT_THROW(assigned("variant = \"tier\"\nvariant_of_tier = [0, 1, 2]", 2, 10, 1, tiers), UserError);
  EXPECT_THROW(assigned("variant = \"tier\"\nvariant_of_tier = [0, 1]", 2, 100, 1, tiers), UserError);
  EXPECT_THROW(assigned("variant = \"tier\"\nvariant_of_tier = [0, 1, 1]\nvariant_shares = [1, 1]", 2, 10, 1, tiers),
               UserError);
}

}  // namespace
}  // namespace shoal
