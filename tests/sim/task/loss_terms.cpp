// Do loss terms of strategies give the gradients that autograd gives through the whole model?
#include <gtest/gtest.h>

#include "sim/nn/autograd.hpp"
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/task/quadratic.hpp"
#include "sim/task/stacked_trainer.hpp"
#include "tests/sim/task/figures.hpp"
#include "tests/sim/task/plain_steps.hpp"

namespace shoal {
namespace {

using test::Batches;
using test::column;
using test::Parameters;
using test::participation;

constexpr double close = 2e-5;  // relative to the largest change: float32 sums in another order
const std::vector<BlockForm> forms{BlockForm::in_turn, BlockForm::stacked, BlockForm::grouped};
constexpr std::int64_t classes = 5;

Network small_network() {
  Network network({2, 4, 4});
  network.add(layers::conv2d(3, 3, 1)).add(layers::relu()).add(layers::flatten());
  network.add(layers::linear(6)).add(layers::relu()).add(layers::linear(classes));
  return network;
}

// The input of the last layer, in the order of PyTorch: dense_scores flattens channels first.
at::Tensor features_of(const Parameters& p, const at::Tensor& x) {
  const at::Tensor flat = at::relu(at::conv2d(x, p[0], p[1], 1, 1)).flatten(1);
  return at::relu(at::linear(flat, p[2], p[3]));
}
at::Tensor scores_of(const Parameters& p, const at::Tensor& x) { return at::linear(features_of(p, x), p[4], p[5]); }

// The same model as a function that LibTorch differentiates.
class Function final : public TensorModel {
 public:
  std::vector<Parameter> parameters() const override { return small_network().layout().parameters; }
  void initialize(const Parameter&, std::span<float>, RandomStream&) const override {}
  double forward_flops() const override { return 1; }
  Outputs forward(std::span<const at::Tensor> parameters, const Gathered& batch, Pass) const override {
    const Parameters p(parameters.begin(), parameters.end());
    const at::Tensor x = batch.features.permute({0, 3, 1, 2});
    return {.scores = scores_of(p, x), .features = features_of(p, x)};
  }
};

std::shared_ptr<Dataset> data() {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({2, 4, 4}, classes, 71, 1));
  return data;
}

std::unique_ptr<ClientExamples> holders() {
  return std::make_unique<test::Consecutive>(std::vector<std::int64_t>{23, 10, 7, 1, 30});
}

SupervisedTask of_layers() { return {data(), holders(), small_network(), {}, 7}; }

SupervisedTask of_a_function() {
  const Form form{.shape = {2, 4, 4}, .classes = classes};
  return {data(), holders(), autograd(form, std::make_shared<Function>(), at::kCPU), {}, 7};
}

const std::vector<Participation> ragged{participation(2, 1), participation(4, 9), participation(3, 4),
                                        participation(0, 3), participation(1, 12, 0.4)};

LocalSettings settings(BlockForm form) {
  LocalSettings local;
  local.form = form;
  local.epochs = 2;
  local.batch = 4;
  local.rate = 0.2;
  return local;
}

at::Tensor start_of(std::uint64_t seed = 1) {
  return of_layers().initial_parameters(random_key(seed, "model/initial_parameters"));
}

LocalResult fit(const SupervisedTask& task, const LocalSettings& local, const Correction& correction,
                Workplace place = {}) {
  StackedTrainer trainer(task, place);
  trainer.open(ragged, local);
  return trainer.fit(start_of(), correction);
}

// The loss of client k of the block.
using LossOf = std::function<test::PlainLoss(std::size_t k)>;

void expect_everywhere(const LossTerm& term, const LossOf& loss, const std::function<void(Step&)>& program = {}) {
  const SupervisedTask layers = of_layers(), function = of_a_function();
  for (std::size_t k = 0; k < ragged.size(); ++k) {
    const LocalSettings local = settings(BlockForm::in_turn);
    const std::int64_t steps = local.local_steps(layers.work(ragged[k].client).examples, ragged[k].fraction);
    const Batches batches = test::batches_of(layers, ragged[k], local, steps);
    at::Tensor y = start_of();
    double mean = 0;
    for (std::int64_t s = 0; s < steps; ++s) {
      const test::PlainGradient found = test::plain_gradient(layers, y, batches[s], loss(k));
      y = y - local.rate * found.gradient;
      mean += found.loss / steps;
    }
    const auto expect = [&](const LocalResult& found, const std::string& what) {
      EXPECT_LT(test::distance(found.delta.dense()[k], y - start_of()), close) << what << ", client " << k;
      EXPECT_NEAR(found.figures[k].loss, mean, close * (1 + std::abs(mean))) << what << ", client " << k;
    };
    const Correction correction{.loss = term, .program = program};
    for (const BlockForm form : forms) {
      expect(fit(layers, settings(form), correction), name(form) + " layers");
      expect(fit(function, settings(form), correction), name(form) + " function");
      expect(fit(layers, settings(form), correction, {at::kCPU, StackForm::Arithmetic::library}),
             name(form) + " layers, library");
    }
  }
}

at::Tensor cross_entropy(const at::Tensor& scores, const at::Tensor& targets) {
  return -scores.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1);
}

TEST(LossTerms, MayReplaceTheLossOfTheTask) {
  expect_everywhere(
      {.value = [](const LossInputs& in) { return cross_entropy(2 * in.own.scores, in.targets); }, .replaces = true},
      [](std::size_t) {
        return [](const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
          return at::cross_entropy_loss(2 * scores_of(p, x), labels);
        };
      });
}

TEST(LossTerms, AddToTheLossByScoresAndFeatures) {
  const auto term = [](const at::Tensor& scores, const at::Tensor& features) {
    return 0.1 * scores.square().sum(-1) + 0.1 * features.sin().sum(-1) * scores.select(-1, 1).tanh();
  };
  expect_everywhere({.value = [&](const LossInputs& in) { return term(in.own.scores, in.own.features); }},
                    [&](std::size_t) {
                      return [&](const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
                        const at::Tensor scores = scores_of(p, x);
                        return at::cross_entropy_loss(scores, labels) + term(scores, features_of(p, x)).mean();
                      };
                    });
}

TEST(LossTerms, MayReadFeaturesAlone) {
  expect_everywhere({.value = [](const LossInputs& in) { return in.own.features.square().sum(-1); }, .replaces = true},
                    [](std::size_t) {
                      return [](const Parameters& p, const at::Tensor& x, const at::Tensor&) {
                        return features_of(p, x).square().sum(-1).mean();
                      };
                    });
}

// Outputs of other parameters on the same batch, and what is given for each client.
TEST(LossTerms, SeeReferencesAndWhatIsGiven) {
  std::vector<at::Tensor> rows;
  for (std::uint64_t k = 0; k < ragged.size(); ++k) rows.push_back(start_of(20 + k));
  const at::Tensor shared = start_of(5), own = at::stack(rows);
  const at::Tensor strengths = at::tensor({0.1F, 0.2F, 0.3F, 0.4F, 0.5F}).unsqueeze(1);
  const LossTerm term{.value =
                          [](const LossInputs& in) {
                            const at::Tensor gap = in.own.scores - in.references[0].scores;
                            const at::Tensor near = in.own.features - in.references[1].features;
                            return in.given[0] * (gap.square().sum(-1) + near.square().sum(-1));
                          },
                      .references = {shared, own},
                      .given = {strengths}};
  const auto loss = [&](std::size_t k) {
    return [&, k](const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
      const auto of = [&](const at::Tensor& flat) { return test::leaves(of_layers().layout(), flat); };
      const at::Tensor gap = scores_of(p, x) - scores_of(of(shared), x).detach();
      const at::Tensor near = features_of(p, x) - features_of(of(own[k]), x).detach();
      return at::cross_entropy_loss(scores_of(p, x), labels) +
             0.1 * (k + 1) * (gap.square().sum(-1) + near.square().sum(-1)).mean();
    };
  };
  expect_everywhere(term, loss);
  expect_everywhere(term, loss, [](Step& step) { step.apply(step.gradient(step.params())); });
}

// A second head on the features, with momentum and decay of its own.
TEST(LossTerms, TrainTensorsOfTheirOwn) {
  const SupervisedTask task = of_layers();
  const at::Tensor heads = 0.1 * at::arange(5 * 6 * classes, at::kFloat).sin().view({5, 6, classes});
  LossTerm term;
  term.trained = {heads};
  term.value = [](const LossInputs& in) { return cross_entropy(in.own.features.matmul(in.trained[0]), in.targets); };
  for (const BlockForm form : forms) {
    LocalSettings local = settings(form);
    local.momentum = 0.9;
    local.weight_decay = 0.05;
    const LocalResult found = fit(task, local, {.loss = term});
    ASSERT_EQ(found.trained.size(), 1U);
    ASSERT_EQ(found.trained[0].sizes(), heads.sizes());
    for (std::size_t k = 0; k < ragged.size(); ++k) {
      const std::int64_t steps = local.local_steps(task.work(ragged[k].client).examples, ragged[k].fraction);
      const Batches batches = test::batches_of(task, ragged[k], local, steps);
      Parameters all = test::leaves(task.layout(), start_of());
      all.push_back(heads[k].clone().requires_grad_());
      torch::optim::SGD sgd(all, torch::optim::SGDOptions(local.rate).momentum(0.9).weight_decay(0.05));
      for (const std::vector<std::int32_t>& batch : batches) {
        if (&batch - batches.data() == steps) break;
        const at::Tensor x = test::features(task.train(), batch), labels = test::labels(task.train(), batch);
        sgd.zero_grad();
        (at::cross_entropy_loss(scores_of(all, x), labels) +
         at::cross_entropy_loss(features_of(all, x).matmul(all.back()), labels))
            .backward();
        sgd.step();
      }
      EXPECT_LT(test::distance(found.trained[0][k], all.back().detach()), close) << name(form) << ", client " << k;
      all.pop_back();
      EXPECT_LT(test::distance(found.delta.dense()[k], test::flat(all) - start_of()), close) << name(form);
    }
  }
}

TEST(LossTerms, KeepTheBitsOfAClientAloneInTurn) {
  const SupervisedTask task = of_layers();
  const LocalSettings local = settings(BlockForm::in_turn);
  const at::Tensor counts = at::arange(10, at::kFloat).view({5, 2});
  const auto term = [&](const at::Tensor& given) {
    return LossTerm{.value =
                        [](const LossInputs& in) {
                          const at::Tensor gap = in.own.scores - in.references[0].scores;
                          return in.given[0].select(1, 0).unsqueeze(1) * gap.exp().sum(-1);
                        },
                    .references = {start_of(5)},
                    .given = {given}};
  };
  const at::Tensor together = fit(task, local, {.loss = term(counts)}).delta.dense();
  StackedTrainer trainer(task);
  for (std::int64_t k = 0; k < std::ssize(ragged); ++k) {
    trainer.open(std::span(&ragged[k], 1), local);
    const at::Tensor alone = trainer.fit(start_of(), {.loss = term(counts.narrow(0, k, 1))}).delta.dense();
    EXPECT_TRUE(at::equal(together[k], alone[0])) << k;
  }
}

TEST(LossTerms, NeedATaskWithOutputs) {
  const Quadratic task(Settings::parse("clients = 2\n", "test.toml"), 1);
  const auto trainer = task.trainer();
  trainer->open(std::span(ragged).first(1), LocalSettings());
  EXPECT_THROW(trainer->fit(task.initial_parameters({}), {.loss = LossTerm()}), UserError);
}

}  // namespace
}  // namespace shoal
