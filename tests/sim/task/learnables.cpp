// Local training of models that are more than layers with gradients: running statistics, models that LibTorch
// differentiates, sequences of tokens. The references are plain loops of autograd.
#include "sim/nn/learnable.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "sim/nn/autograd.hpp"
#include "sim/nn/layers/batch_norm.hpp"
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"
#include "sim/task/stacked_trainer.hpp"
#include "sim/task/token_store.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace models {
std::unique_ptr<Model> char_lstm(Settings&);
}  // namespace models

namespace {

using test::Parameters;
using test::participation;

const std::vector<Participation> block{participation(0, 1), participation(2, 5), participation(1, 3)};
constexpr double close = 2e-5;  // relative to the largest change

at::Tensor start_of(const Task& task, std::uint64_t seed = 1) {
  return task.initial_parameters(random_key(seed, "model/initial_parameters")) + 0.05;
}

LocalSettings settings(BlockForm form) {
  LocalSettings local;
  local.form = form;
  local.batch = 0;
  local.steps = 3;
  local.momentum = 0.9;
  local.weight_decay = 0.05;
  local.rate = 0.1;
  return local;
}

Correction correction_of(const Task& task) {
  Correction correction;
  correction.pull = 0.2;
  correction.anchor = start_of(task, 3);
  correction.shift = 0.1 * start_of(task, 4);
  return correction;
}

using Loss = std::function<at::Tensor(const Parameters&)>;

// Parameters after the steps of settings(): buffers are changed by the loss alone.
at::Tensor trained(const ParameterLayout& layout, const at::Tensor& start, const Correction& correction,
                   const Loss& loss) {
  const LocalSettings local = settings(BlockForm::in_turn);
  Parameters y, momentum;
  const auto part = [](const at::Tensor& t, const Parameter& p) {
    return t.narrow(0, p.offset, p.size).view(p.shape).to(at::kDouble);
  };
  for (const Parameter& p : layout.parameters) {
    y.push_back(part(start, p).clone().requires_grad_(p.role != Role::buffer));
    momentum.push_back(at::zeros_like(y.back()));
  }
  for (int step = 0; step < local.steps; ++step) {
    loss(y).backward();
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const Parameter& p = layout.parameters[i];
      if (p.role == Role::buffer) continue;
      const at::Tensor g = y[i].grad() + correction.pull * (y[i] - part(correction.anchor, p)) +
                           part(correction.shift, p) + local.weight_decay * y[i];
      momentum[i].mul_(local.momentum).add_(g);
      y[i].sub_(momentum[i], local.rate);
      y[i].mutable_grad().zero_();
    }
  }
  return test::flat(y);
}

at::Tensor fit(const SupervisedTask& task, const LocalSettings& local, const Correction& correction,
               Workplace place = {}) {
  StackedTrainer trainer(task, place);
  trainer.open(block, local);
  return trainer.fit(start_of(task), correction).delta.dense().clone();
}

const Workplace library{at::kCPU, StackForm::Arithmetic::library};

std::shared_ptr<Dataset> image_data() {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({2, 4, 3}, 4, 12, 1));
  data->test = stored(test::random_examples({2, 4, 3}, 4, 300, 2));
  return data;
}

std::unique_ptr<ClientExamples> holders() {
  return std::make_unique<test::Consecutive>(std::vector<std::int64_t>{6, 1, 5});
}

TEST(TrainLearnables, BuffersFollowForwardPassesAlone) {
  Network network({2, 4, 3});
  network.add(layers::conv2d(5, 3, 1)).add(layers::batch_norm()).add(layers::relu());
  network.add(layers::flatten()).add(layers::linear(4));
  const SupervisedTask task(image_data(), holders(), network, {}, 7);
  const Correction correction = correction_of(task);
  for (const BlockForm form : {BlockForm::in_turn, BlockForm::stacked, BlockForm::grouped}) {
    const at::Tensor loops = fit(task, settings(form), correction);
    EXPECT_LT(test::distance(fit(task, settings(form), correction, library), loops), close) << name(form);
    for (std::size_t k = 0; k < block.size(); ++k) {
      const std::vector<std::int32_t> own = task.holdout().indices(block[k].client, "train");
      const at::Tensor x = test::features(task.train(), own).to(at::kDouble), labels = test::labels(task.train(), own);
      const at::Tensor want = trained(task.layout(), start_of(task), correction, [&](const Parameters& p) {
        at::Tensor mean = p[4], var = p[5];
        const at::Tensor normal =
            at::batch_norm(at::conv2d(x, p[0], p[1], 1, 1), p[2], p[3], mean, var, true, 0.1, 1e-5, false);
        return at::cross_entropy_loss(at::linear(at::relu(normal).flatten(1), p[6], p[7]), labels);
      });
      EXPECT_LT(test::distance(loops[k].to(at::kDouble), want - start_of(task).to(at::kDouble)), close)
          << name(form) << ", client " << k;
    }
  }
  // A program may take gradients anywhere and apply any: buffers follow the first gradient of each step.
  Correction program;
  program.program = [](Step& step) {
    const at::Tensor g = step.gradient(step.params());
    step.gradient(step.params() + 1);
    step.apply(g + 1);
  };
  Correction shifted;
  shifted.shift = at::ones({task.layout().size});
  const at::Tensor moved = fit(task, settings(BlockForm::stacked), program);
  EXPECT_LT(test::distance(moved, fit(task, settings(BlockForm::stacked), shifted)), close);
}

class Mlp final : public TensorModel {
 public:
  explicit Mlp(const Network& like) : like_(like) {}
  std::vector<Parameter> parameters() const override { return like_.layout().parameters; }
  void initialize(const Parameter&, std::span<float>, RandomStream&) const override {}
  double forward_flops() const override { return like_.forward_flops(); }
  Outputs forward(std::span<const at::Tensor> p, const Gathered& batch, Pass) const override {
    const at::Tensor x = batch.features.permute({0, 3, 1, 2}).flatten(1);
    return {.scores = at::linear(at::relu(at::linear(x, p[0], p[1])), p[2], p[3]), .features = {}};
  }

 private:
  const Network& like_;
};

TEST(TrainLearnables, AutogradTrainsAsLayersDo) {
  const Form form{.shape = {2, 4, 3}, .classes = 4};
  Network network(form);
  network.add(layers::flatten()).add(layers::linear(6)).add(layers::relu()).add(layers::linear(4));
  const SupervisedTask layered(image_data(), holders(), network, {}, 7);
  const SupervisedTask other(image_data(), holders(), autograd(form, std::make_shared<Mlp>(network), at::kCPU), {}, 7);
  const at::Tensor start = start_of(layered);
  for (const BlockForm how : {BlockForm::in_turn, BlockForm::stacked}) {
    for (const std::int64_t batch : {0, 2}) {
      LocalSettings local = settings(how);
      local.batch = batch;
      for (const bool plain : {false, true}) {
        if (plain) local.momentum = local.weight_decay = 0;
        const Correction correction = plain ? Correction{} : correction_of(layered);
        StackedTrainer a(layered), b(other), c(other, library);
        for (StackedTrainer* trainer : {&a, &b, &c}) trainer->open(block, local);
        const at::Tensor want = a.fit(start, correction).delta.dense().clone();
        EXPECT_LT(test::distance(b.fit(start, correction).delta.dense(), want), close);
        EXPECT_LT(test::distance(c.fit(start, correction).delta.dense(), want), close);
      }
    }
  }
  StackedTrainer a(layered), b(other);
  for (StackedTrainer* trainer : {&a, &b}) trainer->open(block, {});
  EXPECT_LT(test::distance(b.gradient(start).delta.dense(), a.gradient(start).delta.dense()), close);
  for (const std::int64_t chunk : {0, 1}) {
    const Evaluation x = a.evaluate(start, {"test", chunk}), y = b.evaluate(start, {"test", chunk});
    EXPECT_EQ(x.examples, y.examples);
    EXPECT_EQ(x.correct, y.correct);
    EXPECT_NEAR(x.mean_loss(), y.mean_loss(), 1e-5);
  }
}

// Sequences of unequal lengths; the targets of some tokens do not count.
std::shared_ptr<Dataset> text_data() {
  Sequences text;
  text.form = {.features = Form::Features::tokens, .targets = Form::Targets::tokens, .vocabulary = 5};
  text.begin = {0};
  for (const std::int64_t length : {4, 2, 7, 3, 5, 1, 6, 2, 4, 3, 7, 5}) {
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int32_t token = (text.tokens.size() * 3 + i) % 5;
      text.tokens.push_back(token);
      text.next.push_back(token == 4 ? Sequences::none : (token * 2 + 1) % 5);
    }
    text.begin.push_back(std::ssize(text.tokens));
  }
  auto data = std::make_shared<Dataset>();
  data->train = std::make_shared<TokenStore>(std::move(text));
  return data;
}

TEST(TrainLearnables, TokensCountOneByOne) {
  const auto data = text_data();
  Settings sizes = Settings::parse("embedding = 3\nhidden = 4\nlayers = 1", "test");
  const auto model = models::char_lstm(sizes)->build(data->train->form(), at::kCPU);
  const SupervisedTask task(data, holders(), model, {}, 7);
  const Correction correction = correction_of(task);
  const at::Tensor alone = fit(task, settings(BlockForm::in_turn), correction);
  EXPECT_LT(test::distance(fit(task, settings(BlockForm::stacked), correction), alone), close);
  StackedTrainer trainer(task);
  trainer.open(block, {});
  const LocalResult gradient = trainer.gradient(start_of(task));
  for (std::size_t k = 0; k < block.size(); ++k) {
    const std::vector<std::int32_t> own = task.holdout().indices(block[k].client, "train");
    // Each sequence by itself, without padding.
    const auto worker = model->worker(1, at::kCPU);
    at::Tensor sum = at::zeros({task.layout().size}, at::kDouble);
    double loss = 0;
    std::int64_t tokens = 0;
    for (const std::int32_t i : own) {
      std::vector<Gathered> one(1);
      data->train->gather({&i, 1}, one[0]);
      worker->rows().values.copy_(start_of(task));
      const at::Tensor scores = worker->forward(one, 1).scores[0][0].clone().requires_grad_();
      const at::Tensor losses = at::cross_entropy_loss(scores, one[0].targets[0], {}, at::Reduction::None);
      const at::Tensor counted = (losses * one[0].mask[0]).sum();
      counted.backward();
      worker->backward({.scores = scores.grad().unsqueeze(0).unsqueeze(0), .features = {}}, GradientUse::store());
      sum += worker->rows().gradients[0].to(at::kDouble);
      loss += counted.item<double>();
      tokens += one[0].mask.sum().item<std::int64_t>();
    }
    EXPECT_LT(test::distance(gradient.delta.dense()[k].to(at::kDouble), sum / tokens), close);
    EXPECT_NEAR(gradient.figures[k].loss, loss / tokens, close);
    EXPECT_NEAR(task.work(block[k].client).flops_per_example * own.size(), model->flops_per_example() * tokens, 1e-6);
    const Evaluation seen = trainer.evaluate_own(start_of(task), block[k].client, "train");
    EXPECT_EQ(seen.examples, tokens);
    EXPECT_NEAR(seen.mean_loss(), loss / tokens, close);
  }
}

}  // namespace
}  // namespace shoal
