// Does a block answer what a strategy asks of its clients' own examples, whoever is beside them in the block?
#include "sim/round/client_block.hpp"

#include <gmock/gmock.h>

#include "sim/nn/layers/batch_norm.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"
#include "sim/task/stacked_trainer.hpp"
#include "sim/task/token_store.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

const std::vector<std::int64_t> sizes{300, 1, 7, 40, 3, 12, 66, 5};

// Each client holds out a quarter of its examples for its own test.
SupervisedTask small_task(const Network& network) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(random_examples({6, 1, 1}, 4, 434, 1));
  HoldoutShares shares;
  shares.test = 0.25;
  return {data, std::make_unique<Consecutive>(sizes), network, shares, 7};
}

Network mlp() {
  Network network({6, 1, 1});
  network.add(layers::linear(9)).add(layers::relu()).add(layers::linear(4));
  return network;
}

Network normalized() {
  Network network({6, 1, 1});
  network.add(layers::linear(9)).add(layers::batch_norm()).add(layers::relu()).add(layers::linear(4));
  return network;
}

// A block of all clients, or of one.
class Block {
 public:
  explicit Block(const SupervisedTask& task, std::vector<std::int64_t> clients = {0, 1, 2, 3, 4, 5, 6, 7},
                 Workplace place = {})
      : trainer_(task, place) {
    for (const std::int64_t client : clients) visits_.push_back(participation(client, 10 + client));
    block_.emplace(visits_, local_, task, trainer_, std::span<const MemorySlot>(),
                   std::vector<ClientRecord>(clients.size()), "strategy/1/x");
  }
  ClientBlock& operator*() { return *block_; }
  ClientBlock* operator->() { return &*block_; }

 private:
  LocalSettings local_;
  StackedTrainer trainer_;
  std::vector<Participation> visits_;
  std::optional<ClientBlock> block_;
};

// [8, d], another model for each client.
at::Tensor models_of(const SupervisedTask& task) {
  std::vector<at::Tensor> rows;
  for (std::uint64_t k = 0; k < sizes.size(); ++k) {
    rows.push_back(2 * task.initial_parameters(random_key(k, "model/initial_parameters")));
  }
  return at::stack(rows);
}

TEST(OwnExamples, GivesScoresAndFeaturesOfOwnExamples) {
  const SupervisedTask task = small_task(mlp());
  const at::Tensor models = models_of(task);
  for (const Workplace place : {Workplace{}, Workplace{at::kCPU, StackForm::Arithmetic::library}}) {
    for (const char* set : {"train", "test"}) {
      Block block(task, {0, 1, 2, 3, 4, 5, 6, 7}, place);
      const ExampleOutputs seen = block->outputs(models, set);
      const std::int64_t most = task.holdout().count(ClientId{0}, set);
      EXPECT_EQ(seen.scores.sizes(), (std::vector<std::int64_t>{8, most, 4}));
      EXPECT_EQ(seen.features.sizes(), (std::vector<std::int64_t>{8, most, 9}));
      for (std::int64_t k = 0; k < 8; ++k) {
        const std::vector<std::int32_t> own = task.holdout().indices(ClientId{k}, set);
        const std::int64_t count = std::ssize(own);
        ASSERT_EQ(seen.counts[k], count);
        EXPECT_TRUE(seen.targets[k].slice(0, count).eq(-1).all().item<bool>());
        EXPECT_FALSE(seen.scores[k].slice(0, count).any().item<bool>());
        if (count == 0) continue;
        const Parameters p = leaves(task.layout(), models[k]);
        const at::Tensor x = features(task.train(), own).flatten(1);
        EXPECT_LT(distance(seen.scores[k].slice(0, 0, count), dense_scores(p, 0, x).detach()), 1e-5);
        EXPECT_LT(distance(seen.features[k].slice(0, 0, count), at::relu(at::linear(x, p[0], p[1])).detach()), 1e-5);
        EXPECT_TRUE(at::equal(seen.targets[k].slice(0, 0, count), labels(task.train(), own)));
      }
    }
  }
}

TEST(OwnExamples, EvaluatesEachClientsOwnModel) {
  const SupervisedTask task = small_task(mlp());
  const at::Tensor models = models_of(task);
  Block block(task);
  const std::vector<Evaluation> seen = block->evaluate(models, "test");
  const at::Tensor losses = block->losses(models);
  EXPECT_EQ(losses.sizes(), (std::vector<std::int64_t>{8, 225}));
  for (std::int64_t k = 0; k < 8; ++k) {
    const Parameters p = leaves(task.layout(), models[k]);
    const auto directly = [&](const char* set) {
      const std::vector<std::int32_t> own = task.holdout().indices(ClientId{k}, set);
      const at::Tensor scores = dense_scores(p, 0, features(task.train(), own)).detach();
      return std::pair{scores.to(at::kDouble), labels(task.train(), own)};
    };
    EXPECT_EQ(seen[k].examples, task.holdout().count(ClientId{k}, "test"));
    if (seen[k].examples > 0) {
      const auto [scores, y] = directly("test");
      EXPECT_EQ(seen[k].correct, scores.argmax(1).eq(y).sum().item<std::int64_t>());
      EXPECT_NEAR(seen[k].mean_loss(), at::cross_entropy_loss(scores, y).item<double>(), 1e-5);
    }
    const auto [scores, y] = directly("train");
    const at::Tensor want = at::cross_entropy_loss(scores, y, {}, at::Reduction::None);
    EXPECT_LT(distance(losses[k].slice(0, 0, y.size(0)), want), 1e-5);
    EXPECT_TRUE(losses[k].slice(0, y.size(0)).isnan().all().item<bool>());
  }
  // Shared parameters [d].
  EXPECT_EQ(block->evaluate(models[3], "test")[3].loss, seen[3].loss);
}

TEST(OwnExamples, AnswersForAClientWhoeverIsBesideIt) {
  for (const Network& network : {mlp(), normalized()}) {
    const SupervisedTask task = small_task(network);
    const at::Tensor models = models_of(task);
    Block all(task);
    const ExampleOutputs outputs = all->outputs(models, "train");
    const std::vector<Evaluation> seen = all->evaluate(models, "test");
    const at::Tensor losses = all->losses(models), counts = all->label_counts();
    for (std::int64_t k = 0; k < 8; ++k) {
      Block one(task, {k});
      const at::Tensor model = models.slice(0, k, k + 1);
      const ExampleOutputs own = one->outputs(model, "train");
      const std::int64_t count = own.counts[0];
      EXPECT_TRUE(at::equal(own.scores[0], outputs.scores[k].slice(0, 0, count)));
      EXPECT_TRUE(at::equal(own.features[0], outputs.features[k].slice(0, 0, count)));
      EXPECT_TRUE(at::equal(one->losses(model)[0], losses[k].slice(0, 0, count)));
      EXPECT_EQ(one->evaluate(model, "test")[0].loss, seen[k].loss);
      EXPECT_TRUE(at::equal(one->label_counts()[0], counts[k]));
    }
  }
}

// Outputs say the same as an evaluation does, and looking changes nothing of what a block trains.
TEST(OwnExamples, LooksWithoutAnyTrace) {
  const SupervisedTask task = small_task(normalized());
  const at::Tensor start = models_of(task)[0];
  Block looks(task), trains(task);
  const ExampleOutputs outputs = looks->outputs(start, "test");
  const std::vector<Evaluation> seen = looks->evaluate(start, "test");
  for (std::int64_t k = 0; k < 8; ++k) {
    const Evaluation same = outputs.evaluation(k);
    EXPECT_EQ(same.examples, seen[k].examples);
    EXPECT_EQ(same.correct, seen[k].correct);
    EXPECT_EQ(same.loss, seen[k].loss);
  }
  looks->losses(start);
  looks->label_counts();
  EXPECT_TRUE(at::equal(looks->train(start).delta.dense(), trains->train(start).delta.dense()));
}

TEST(OwnExamples, CountsLabelsOfTrainingExamples) {
  const SupervisedTask task = small_task(mlp());
  Block block(task);
  const at::Tensor counts = block->label_counts();
  EXPECT_EQ(counts.sizes(), (std::vector<std::int64_t>{8, 4}));
  for (std::int64_t k = 0; k < 8; ++k) {
    const at::Tensor own = labels(task.train(), task.holdout().indices(ClientId{k}, "train"));
    EXPECT_TRUE(at::equal(counts[k], at::bincount(own, {}, 4)));
  }
}

TEST(OwnExamples, CountsTheLossOfTokens) {
  Sequences text;
  text.form = {.features = Form::Features::tokens, .targets = Form::Targets::tokens, .vocabulary = 5};
  text.begin = {0};
  for (const std::int64_t length : {4, 2, 7, 3, 5, 1}) {
    for (std::int64_t i = 0; i < length; ++i) {
      text.tokens.push_back((text.tokens.size() * 3 + i) % 5);
      text.next.push_back(i == 1 ? Sequences::none : (text.tokens.back() * 2 + 1) % 5);
    }
    text.begin.push_back(std::ssize(text.tokens));
  }
  auto data = std::make_shared<Dataset>();
  data->train = std::make_shared<TokenStore>(std::move(text));
  const Settings lstm = Settings::parse("embedding = 3\nhidden = 4\nlayers = 1", "test");
  const auto model = make_part<Model>("model", "char_lstm", lstm)->build(data->train->form(), at::kCPU);
  const SupervisedTask task(data, std::make_unique<Consecutive>(std::vector<std::int64_t>{2, 4}), model, {}, 7);
  const at::Tensor params = 3 * task.initial_parameters(random_key(1, "model/initial_parameters"));
  Block block(task, {0, 1});
  const ExampleOutputs outputs = block->outputs(params, "train");
  EXPECT_EQ(outputs.targets.sizes(), (std::vector<std::int64_t>{2, 4, 7}));
  const std::vector<Evaluation> seen = block->evaluate(params, "train");
  const at::Tensor losses = block->losses(params);
  for (std::int64_t k = 0; k < 2; ++k) {
    EXPECT_EQ(outputs.evaluation(k).examples, seen[k].examples);
    EXPECT_EQ(outputs.evaluation(k).loss, seen[k].loss);
    // An example's loss is a mean over its tokens that count.
    const at::Tensor tokens = outputs.targets[k].ge(0).sum(1);
    const at::Tensor sum = (losses[k] * tokens).slice(0, 0, outputs.counts[k]).sum();
    EXPECT_NEAR(sum.item<double>() / seen[k].examples, seen[k].mean_loss(), 1e-6);
  }
  EXPECT_THAT(user_error_of([&] { block->label_counts(); }), testing::HasSubstr("data with labels"));
}

TEST(OwnExamples, SaysWhatATaskLacks) {
  const Federation parts = federation("task = \"quadratic\"\n");
  const auto trainer = parts.task->trainer();
  const Participation visit = participation(0, 1);
  const LocalSettings local;
  ClientBlock block({&visit, 1}, local, *parts.task, *trainer, {}, std::vector<ClientRecord>(1), "strategy/1/x");
  const at::Tensor params = at::zeros({block.layout().size});
  EXPECT_THAT(user_error_of([&] { block.outputs(params, "train"); }), testing::HasSubstr("the task has none"));
  EXPECT_THAT(user_error_of([&] { block.losses(params); }), testing::HasSubstr("the task has none"));
  EXPECT_THAT(user_error_of([&] { block.label_counts(); }), testing::HasSubstr("data with labels"));
  EXPECT_EQ(block.evaluate(params, "test")[0].examples, 1);
}

}  // namespace
}  // namespace shoal
