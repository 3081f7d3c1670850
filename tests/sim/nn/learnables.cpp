// Workers: layers, functions that LibTorch differentiates, and the character LSTM against its equations.
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

namespace shoal {
namespace models {
std::unique_ptr<Model> char_lstm(Settings&);
std::unique_ptr<Model> resnet(Settings&);
}  // namespace models

namespace {

const Form images{.shape = {2, 5, 5}, .classes = 3};

Network layered() {
  Network network(images);
  network.add(layers::conv2d(4, 3, 1)).add(layers::batch_norm()).add(layers::relu());
  network.add(layers::flatten()).add(layers::linear(3));
  return network;
}

// The same model as operations of the library.
class Function final : public TensorModel {
 public:
  std::vector<Parameter> parameters() const override { return layered().layout().parameters; }
  void initialize(const Parameter& p, std::span<float> values, RandomStream& random) const override {
    for (float& value : values) value = random.uniform();
    if (p.name == "norm1.running_mean") std::ranges::fill(values, 0.0F);
  }
  double forward_flops() const override { return layered().forward_flops(); }
  Outputs forward(std::span<const at::Tensor> p, const Gathered& batch, Pass pass) const override {
    const at::Tensor x = batch.features.permute({0, 3, 1, 2});
    at::Tensor mean = p[4], var = p[5];
    const at::Tensor normal = at::batch_norm(at::conv2d(x, p[0], p[1], 1, 1), p[2], p[3], mean, var,
                                             pass == Pass::training, 0.1, 1e-5, false);
    const at::Tensor features = at::relu(normal).flatten(1);
    return {.scores = at::linear(features, p[6], p[7]), .features = features};
  }
};

std::shared_ptr<const Learnable> function() { return autograd(images, std::make_shared<Function>(), at::kCPU); }

std::vector<Gathered> batches_of(std::int64_t clients) {
  std::vector<Gathered> batches;
  for (std::int64_t k = 0; k < clients; ++k) {
    Gathered batch;
    batch.features = at::sin(at::arange(4 * 50, at::kFloat) * (1.7 + k)).view({4, 5, 5, 2});
    batches.push_back(batch);
  }
  return batches;
}

at::Tensor starts(std::int64_t clients) {
  std::vector<at::Tensor> rows;
  for (std::int64_t k = 0; k < clients; ++k) rows.push_back(function()->initial_parameters(random_key(k, "test")));
  return at::stack(rows);
}

Outputs score_gradients(const Outputs& of) {
  const at::Tensor g = at::cos(at::arange(of.scores[0].numel(), at::kFloat)).view(of.scores[0].sizes());
  return {.scores = g.expand(of.scores.sizes()), .features = {}};
}

struct Done {
  at::Tensor scores, gradients, values;
};

Done pass(Worker& worker, std::int64_t clients, std::int64_t active, const GradientUse& use) {
  worker.rows().values.copy_(starts(clients));
  const Outputs outputs = worker.forward(batches_of(clients), active);
  Done out{.scores = outputs.scores.clone(), .gradients = {}, .values = {}};
  worker.backward(score_gradients(outputs), use);
  out.gradients = worker.rows().gradients.clone();
  out.values = worker.rows().values.clone();
  return out;
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() / (1e-2 + b.abs().max().item<double>());
}

TEST(Learnables, AutogradAndLayersAgree) {
  const Network network = layered();
  EXPECT_EQ(network.layout().names(), function()->layout().names());
  for (const std::int64_t clients : {1, 8}) {
    const auto own = network.worker(clients, at::kCPU), other = function()->worker(clients, at::kCPU);
    const Done a = pass(*own, clients, clients, GradientUse::store());
    const Done b = pass(*other, clients, clients, GradientUse::store());
    EXPECT_LT(distance(a.scores, b.scores), 1e-5);
    EXPECT_LT(distance(a.gradients, b.gradients), 1e-5);
    EXPECT_LT(distance(a.values, b.values), 1e-6);  // the running statistics
    EXPECT_FALSE(at::equal(a.values, starts(clients)));

    const at::Tensor before = other->rows().values.clone();
    own->rows().values.copy_(before);
    EXPECT_LT(distance(own->evaluate(batches_of(clients), clients).scores,
                       other->evaluate(batches_of(clients), clients).scores),
              1e-5);
    EXPECT_TRUE(at::equal(other->rows().values, before));
  }
}

TEST(Learnables, UsesOfGradientsAgree) {
  const Network network = layered();
  const auto other = function();
  for (const Learnable* model : {static_cast<const Learnable*>(&network), other.get()}) {
    const auto worker = model->worker(2, at::kCPU);
    const Done once = pass(*worker, 2, 2, GradientUse::store());
    EXPECT_LT(distance(pass(*worker, 2, 2, GradientUse::add()).gradients, 2 * once.gradients), 1e-6);
    const Done step = pass(*worker, 2, 2, GradientUse::descend(0.5));
    for (const Range& r : model->layout().trained()) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(1, r.first, r.size); };
      EXPECT_LT(distance((part(starts(2)) - part(step.values)) / 0.5, part(once.gradients)), 1e-4);
    }
  }
}

TEST(Learnables, ClientsAreComputedAlone) {
  const auto one = function()->worker(1, at::kCPU), eight = function()->worker(8, at::kCPU);
  const Done alone = pass(*one, 1, 1, GradientUse::store()), all = pass(*eight, 8, 8, GradientUse::store());
  EXPECT_TRUE(at::equal(all.gradients.narrow(0, 0, 1), alone.gradients));
  EXPECT_TRUE(at::equal(all.scores.narrow(0, 0, 1), alone.scores));
  // Clients beyond the active ones keep what they have.
  eight->rows().gradients.narrow(0, 3, 5).fill_(7);
  const Done some = pass(*eight, 8, 3, GradientUse::store());
  EXPECT_EQ(some.scores.size(0), 3);
  EXPECT_TRUE(at::equal(some.gradients.narrow(0, 0, 3), all.gradients.narrow(0, 0, 3)));
  EXPECT_TRUE((some.gradients.narrow(0, 3, 5) == 7).all().item<bool>());
}

TEST(Learnables, FeaturesHaveGradientsToo) {
  const Network network = layered();
  const auto worker = function()->worker(2, at::kCPU), own = network.worker(2, at::kCPU);
  for (Worker* each : {worker.get(), own.get()}) {
    each->rows().values.copy_(starts(2));
    const Outputs outputs = each->forward(batches_of(2), 2);
    each->backward({.scores = {}, .features = at::ones_like(outputs.features)}, GradientUse::store());
  }
  EXPECT_LT(distance(own->rows().gradients, worker->rows().gradients), 1e-5);
  const auto model = function();
  const Range head = model->layout().ranges(std::vector<std::string>{"head"}).front();
  EXPECT_EQ(worker->rows().gradients.narrow(1, head.first, head.size).abs().max().item<float>(), 0);
  EXPECT_GT(worker->rows().gradients.abs().max().item<float>(), 0);
}

TEST(Learnables, ResNetHasThePublishedSize) {
  Settings settings = Settings::parse("depth = 20\nnorm = \"batch\"", "test");
  const auto net = models::resnet(settings)->build({.shape = {3, 32, 32}, .classes = 10}, at::kCPU);
  std::int64_t trained = 0;
  for (const Range& r : net->layout().trained()) trained += r.size;
  // 269,722 with shortcuts that have no parameters (He et al. 2016 say 0.27 million), and two convolutions with norms.
  EXPECT_EQ(trained, 269722 + 16 * 32 + 32 * 64 + 2 * (32 + 64));
  EXPECT_EQ(net->layout().size - trained, 1568);
}

// --- the character LSTM ---

std::shared_ptr<const Learnable> lstm(const Form& form, const char* sizes) {
  Settings settings = Settings::parse(sizes, "test");
  return models::char_lstm(settings)->build(form, at::kCPU);
}

const Form text{.features = Form::Features::tokens, .targets = Form::Targets::tokens, .vocabulary = 7, .longest = 5};

TEST(CharLstm, HasThePublishedSize) {
  Form shakespeare = text;
  shakespeare.vocabulary = 90;
  EXPECT_EQ(lstm(shakespeare, "")->layout().size, 820522 + 2 * 4 * 256);  // the second bias of each gate
  EXPECT_THROW(lstm(images, ""), UserError);
}

// Hochreiter and Schmidhuber 1997 with forget gates, in PyTorch's order of gates: input, forget, cell, output.
at::Tensor by_hand(const std::vector<at::Tensor>& p, const at::Tensor& tokens, std::int64_t layers) {
  std::vector<at::Tensor> inputs;
  for (std::int64_t t = 0; t < tokens.size(1); ++t) inputs.push_back(p[0].index_select(0, tokens.select(1, t)));
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const at::Tensor *w = &p[1 + 4 * layer], &in = w[0], &back = w[1], &bias_in = w[2], &bias_back = w[3];
    at::Tensor h = at::zeros({tokens.size(0), back.size(1)}, at::kDouble), c = h;
    for (at::Tensor& x : inputs) {
      const auto gate = (at::matmul(x, in.t()) + bias_in + at::matmul(h, back.t()) + bias_back).chunk(4, 1);
      c = at::sigmoid(gate[1]) * c + at::sigmoid(gate[0]) * at::tanh(gate[2]);
      h = at::sigmoid(gate[3]) * at::tanh(c);
      x = h;
    }
  }
  return at::matmul(at::stack(inputs, 1), p[p.size() - 2].t()) + p.back();
}

TEST(CharLstm, ComputesItsEquations) {
  for (const Form::Targets targets : {Form::Targets::tokens, Form::Targets::labels}) {
    Form form = text;
    form.targets = targets;
    form.classes = targets == Form::Targets::labels ? 4 : 0;
    const auto model = lstm(form, "embedding = 3\nhidden = 6");
    const auto worker = model->worker(2, at::kCPU);
    std::vector<Gathered> batches(2);
    const at::Tensor lengths = at::tensor({5, 2, 4});
    for (std::int64_t k = 0; k < 2; ++k) {
      batches[k].mask = at::arange(5).unsqueeze(0).lt(lengths.unsqueeze(1)).to(at::kFloat);
      batches[k].features = (at::arange(15).view({3, 5}) * (k + 2)).remainder(7) * batches[k].mask.to(at::kLong);
      worker->rows().values[k].copy_(model->initial_parameters(random_key(k, "test")));
    }
    const Outputs outputs = worker->forward(batches, 2);
    at::Tensor g = score_gradients(outputs).scores.clone();
    if (targets == Form::Targets::tokens) g *= batches[0].mask.unsqueeze(0).unsqueeze(3);
    worker->backward({.scores = g, .features = {}}, GradientUse::store());
    for (std::int64_t k = 0; k < 2; ++k) {
      std::vector<at::Tensor> leaves;
      for (const Parameter& p : model->layout().parameters) {
        leaves.push_back(worker->rows().values[k].narrow(0, p.offset, p.size).view(p.shape).to(at::kDouble).clone());
        leaves.back().set_requires_grad(true);
      }
      at::Tensor want = by_hand(leaves, batches[k].features, 2);
      if (targets == Form::Targets::labels) want = want.index({at::arange(3), lengths - 1});
      const at::Tensor shown = targets == Form::Targets::tokens ? batches[k].mask.unsqueeze(2) : at::ones({1});
      EXPECT_LT(distance(outputs.scores[k] * shown, want.detach() * shown), 1e-5);
      (want * g[k]).sum().backward();
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        const Parameter& p = model->layout().parameters[i];
        EXPECT_LT(distance(worker->rows().gradients[k].narrow(0, p.offset, p.size), leaves[i].grad().reshape({-1})),
                  1e-5)
            << p.name;
      }
    }
    // Other tokens in the padding change no bit.
    const at::Tensor gradients = worker->rows().gradients.clone(), scores = outputs.scores.clone();
    for (Gathered& batch : batches) batch.features = at::where(batch.mask == 0, 3, batch.features);
    const Outputs again = worker->forward(batches, 2);
    worker->backward({.scores = g, .features = {}}, GradientUse::store());
    EXPECT_TRUE(at::equal(worker->rows().gradients, gradients));
    if (targets == Form::Targets::labels) {
      EXPECT_TRUE(at::equal(again.scores, scores));
    }
  }
}

}  // namespace
}  // namespace shoal
