// Losses and gradients of the stacked networks against LibTorch's autograd and against finite differences.
#include <gtest/gtest.h>

#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"
#include "sim/nn/stacked_network.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace models {
std::unique_ptr<Model> cnn_fedjax(Settings&);
std::unique_ptr<Model> cnn_mcmahan(Settings&);
std::unique_ptr<Model> logistic_regression(Settings&);
std::unique_ptr<Model> mlp(Settings&);
}  // namespace models

namespace {

using test::Parameters;

Network network_of(std::unique_ptr<Model> (*make)(Settings&), Shape input = {1, 28, 28}) {
  Settings settings;
  return *make(settings)->build({.shape = input, .classes = 10}, at::kCPU)->network();
}

// Examples of each client in a block, [client][example].
using Block = std::vector<std::vector<std::int32_t>>;

struct Gradients {
  std::vector<double> losses;
  at::Tensor rows;  // [K, d]
};

float* inputs(StackedNetwork& net) { return net.inputs().mutable_data_ptr<float>(); }
std::int64_t* labels(StackedNetwork& net) { return net.labels().mutable_data_ptr<std::int64_t>(); }
float* weights(StackedNetwork& net) { return net.weights().mutable_data_ptr<float>(); }

// One pass over all examples of each client at once, in a batch as long as the longest.
Gradients stacked(const Network& network, const at::Tensor& params, const Examples& from, const Block& block,
                  const StackForm& form = {}) {
  const std::int64_t clients = block.size();
  std::size_t batch = 0;
  for (const auto& own : block) batch = std::max(batch, own.size());
  const ParameterRows rows(clients, network.layout().size);
  rows.values.copy_(params);
  rows.gradients.fill_(7);  // must be overwritten
  StackedNetwork net(network, rows, batch, form);

  const std::size_t size = from.form.shape.size();
  for (std::size_t k = 0; k < block.size(); ++k) {
    const at::Tensor x = test::features(from, block[k]).permute({0, 2, 3, 1}).contiguous();
    std::copy_n(x.const_data_ptr<float>(), x.numel(), inputs(net) + k * net.inputs().stride(0));
    for (std::size_t i = 0; i < block[k].size(); ++i) {
      labels(net)[k * batch + i] = from.labels[block[k][i]];
      weights(net)[k * batch + i] = 1.0F / block[k].size();
    }
    // Values in rows of weight 0 must not matter.
    std::fill_n(inputs(net) + k * net.inputs().stride(0) + block[k].size() * size, (batch - block[k].size()) * size,
                3.0F);
  }
  net.forward();
  net.loss_and_gradient();
  net.backward(GradientUse::store());
  const double* losses = rows.losses.const_data_ptr<double>();
  return {{losses, losses + clients}, rows.gradients.clone()};
}

Gradients autograd(const Network& network, const test::Scores& scores, const at::Tensor& params, const Examples& from,
                   const Block& block) {
  Gradients out;
  std::vector<at::Tensor> rows;
  for (std::size_t k = 0; k < block.size(); ++k) {
    Parameters leaves = test::leaves(network.layout(), params.dim() == 2 ? params[k] : params);
    const at::Tensor loss =
        at::cross_entropy_loss(scores(leaves, test::features(from, block[k])), test::labels(from, block[k]));
    loss.backward();
    Parameters gradients;
    for (const at::Tensor& p : leaves) gradients.push_back(p.grad());
    rows.push_back(test::flat(gradients));
    out.losses.push_back(loss.item<double>());
  }
  out.rows = at::stack(rows);
  return out;
}

const std::vector<StackForm> forms{
    {StackForm::Arithmetic::loops, StackForm::Convolution::each},
    {StackForm::Arithmetic::loops, StackForm::Convolution::grouped},
    {StackForm::Arithmetic::library, StackForm::Convolution::each},
    {StackForm::Arithmetic::library, StackForm::Convolution::grouped},
};

void expect_close(const Network& network, const Gradients& ours, const Gradients& reference) {
  for (std::size_t k = 0; k < reference.losses.size(); ++k) {
    EXPECT_NEAR(ours.losses[k], reference.losses[k], 1e-5 * reference.losses[k]);
    for (const Parameter& p : network.layout().parameters) {
      const auto part = [&](const at::Tensor& rows) { return rows[k].slice(0, p.offset, p.offset + p.size); };
      EXPECT_LT(test::distance(part(ours.rows), part(reference.rows)), 1e-5) << p.name << " of client " << k;
    }
  }
}

void expect_equal(const Network& network, const test::Scores& scores, const Block& block) {
  const Examples from = test::random_examples(network.input(), network.output().size(), 12, 3);
  at::Tensor params = network.initial_parameters(random_key(1, "model/initial_parameters"));
  if (block.size() > 1) {  // each client has its own weights
    std::vector<at::Tensor> rows;
    for (std::size_t k = 0; k < block.size(); ++k) {
      rows.push_back(network.initial_parameters(random_key(10 + k, "model/initial_parameters")));
    }
    params = at::stack(rows);
  }
  const Gradients reference = autograd(network, scores, params, from, block);
  for (const StackForm& form : forms) {
    const Gradients ours = stacked(network, params, from, block, form);
    expect_close(network, ours, reference);
  }
}

const Block one{{0, 1, 2, 3, 4, 5, 6}};
const Block ragged{{0, 1, 2, 3, 4}, {5}, {6, 7, 8, 9}};

at::Tensor dense(const Parameters& p, const at::Tensor& x) { return test::dense_scores(p, 0, x); }

at::Tensor mcmahan(const Parameters& p, const at::Tensor& x) {
  const at::Tensor a = at::max_pool2d(at::relu(at::conv2d(x, p[0], p[1], 1, 2)), 2);
  return test::dense_scores(p, 4, at::max_pool2d(at::relu(at::conv2d(a, p[2], p[3], 1, 2)), 2));
}

at::Tensor fedjax(const Parameters& p, const at::Tensor& x) {
  const at::Tensor a = at::relu(at::conv2d(x, p[0], p[1]));
  return test::dense_scores(p, 4, at::max_pool2d(at::relu(at::conv2d(a, p[2], p[3])), 2));
}

TEST(NetworkGradients, LogisticRegression) {
  expect_equal(network_of(models::logistic_regression), dense, one);
  expect_equal(network_of(models::logistic_regression), dense, ragged);
}

TEST(NetworkGradients, Mlp) {
  expect_equal(network_of(models::mlp), dense, one);
  expect_equal(network_of(models::mlp), dense, ragged);
}

TEST(NetworkGradients, CnnOfMcMahan) {
  expect_equal(network_of(models::cnn_mcmahan), mcmahan, one);
  expect_equal(network_of(models::cnn_mcmahan), mcmahan, ragged);
}

TEST(NetworkGradients, CnnOfFedJax) {
  expect_equal(network_of(models::cnn_fedjax), fedjax, one);
  expect_equal(network_of(models::cnn_fedjax), fedjax, ragged);
}

TEST(NetworkGradients, ColourImages) {
  expect_equal(network_of(models::logistic_regression, {3, 8, 8}), dense, ragged);
  expect_equal(network_of(models::cnn_mcmahan, {3, 12, 12}), mcmahan, ragged);
}

TEST(NetworkGradients, PoolsBeforeParametersAndDropsPartWindows) {
  Network network({2, 7, 5});
  network.add(layers::max_pool2d(2))
      .add(layers::relu())
      .add(layers::conv2d(3, 2, 1))
      .add(layers::max_pool2d(3))
      .add(layers::flatten())
      .add(layers::linear(4));
  expect_equal(
      network,
      [](const Parameters& p, const at::Tensor& x) {
        const at::Tensor a = at::conv2d(at::relu(at::max_pool2d(x, 2)), p[0], p[1], 1, 1);
        return test::dense_scores(p, 2, at::max_pool2d(a, 3));
      },
      ragged);
}

TEST(NetworkGradients, FiniteDifferences) {
  Network network({2, 5, 5});
  network.add(layers::conv2d(3, 3, 1))
      .add(layers::flatten())
      .add(layers::linear(6))
      .add(layers::linear(4));  // smooth, so that differences converge
  const Examples from = test::random_examples(network.input(), 4, 7, 5);
  const at::Tensor params = network.initial_parameters(random_key(2, "model/initial_parameters"));
  const at::Tensor gradient = stacked(network, params, from, one).rows[0];
  RandomStream random(random_key(2, "source/synthetic"), 0);
  for (int trial = 0; trial < 5; ++trial) {
    at::Tensor direction = at::empty_like(params);
    for (std::int64_t i = 0; i < params.numel(); ++i) direction[i] = random.normal() / std::sqrt(params.numel());
    const double h = 0.02;
    const auto loss = [&](double step) { return stacked(network, params + step * direction, from, one).losses[0]; };
    const double slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h);
    EXPECT_NEAR(slope, at::dot(gradient, direction).item<double>(), 2e-5);
  }
}

TEST(NetworkGradients, DescendsAtOnceAlongTheGradient) {
  const Network network = network_of(models::mlp);
  const Examples from = test::random_examples(network.input(), 10, 7, 3);
  const at::Tensor params = network.initial_parameters(random_key(1, "model/initial_parameters"));
  const at::Tensor gradient = stacked(network, params, from, one).rows[0];

  const ParameterRows rows(1, network.layout().size);
  rows.values.copy_(params);
  StackedNetwork net(network, rows, 7);
  const at::Tensor x = test::features(from, one[0]).contiguous();
  std::copy_n(x.const_data_ptr<float>(), x.numel(), inputs(net));
  std::copy_n(from.labels.begin(), 7, labels(net));
  std::fill_n(weights(net), 7, 1.0F / 7);
  net.forward();
  net.loss_and_gradient();
  net.backward(GradientUse::descend(0.5));
  EXPECT_LT(test::distance((params - rows.values[0]) / 0.5, gradient), 1e-5);
}

}  // namespace
}  // namespace shoal
