// Layers against LibTorch's operators: scores and gradients in float64 by autograd and by finite differences.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "sim/nn/layers/avg_pool2d.hpp"
#include "sim/nn/layers/batch_norm.hpp"
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/embedding.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/group_norm.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/layers/residual.hpp"
#include "sim/nn/layers/scaler.hpp"
#include "sim/nn/stacked_network.hpp"

namespace shoal {
namespace {

using Parameters = std::vector<at::Tensor>;
using Scores = std::function<at::Tensor(const Parameters&, const at::Tensor& x)>;

const std::vector<StackForm> forms{
    {StackForm::Arithmetic::loops, StackForm::Convolution::each},
    {StackForm::Arithmetic::loops, StackForm::Convolution::grouped},
    {StackForm::Arithmetic::library, StackForm::Convolution::each},
    {StackForm::Arithmetic::library, StackForm::Convolution::grouped},
};

// Clients with different numbers of examples, in batches as long as the longest.
struct Block {
  std::vector<at::Tensor> x, labels;  // [n, channels, height, width], [n]
  at::Tensor params;                  // [K, d]
  std::int64_t batch = 0;
};

Block block_of(const Network& network, const std::vector<std::int64_t>& counts) {
  Block block;
  const Shape& s = network.input();
  std::vector<at::Tensor> rows;
  RandomStream random(random_key(3, "source/synthetic"), 0);
  for (const std::int64_t count : counts) {
    std::vector<float> values(count * s.size());
    for (float& value : values) value = random.normal() + 1;
    block.x.push_back(at::tensor(values).view({count, s.channels, s.height, s.width}));
    block.labels.push_back(at::arange(count) % network.output().size());
    at::Tensor row = network.initial_parameters(random_key(rows.size(), "model/initial_parameters"));
    for (float& value : std::span(row.mutable_data_ptr<float>(), row.numel())) value += 0.1 * std::abs(random.normal());
    rows.push_back(row);
    block.batch = std::max(block.batch, count);
  }
  block.params = at::stack(rows);
  return block;
}

void load(StackedNetwork& net, const Block& block, double of_weights = 1) {
  net.inputs().fill_(3);  // rows of weight 0 must not matter
  for (std::size_t k = 0; k < block.x.size(); ++k) {
    const std::int64_t count = block.x[k].size(0);
    net.inputs().select(0, k).narrow(0, 0, count).copy_(block.x[k].permute({0, 2, 3, 1}).reshape({count, -1}));
    net.labels().select(0, k).narrow(0, 0, count).copy_(block.labels[k]);
    net.weights().select(0, k).narrow(0, 0, count).fill_(of_weights / count);
  }
}

Parameters split(const ParameterLayout& layout, const at::Tensor& row, bool leaves) {
  Parameters out;
  for (const Parameter& p : layout.parameters) {
    at::Tensor own = row.narrow(0, p.offset, p.size).view(p.shape).to(at::kDouble).clone();
    out.push_back(leaves && p.role != Role::buffer ? own.requires_grad_() : own);
  }
  return out;
}

struct Reference {
  double loss = 0;
  at::Tensor gradient, after;  // [d]; `after`: the parameters, with buffers as the pass left them
};

Reference reference(const Network& network, const Scores& scores, const Block& block, std::size_t k,
                    const at::Tensor& row) {
  const Parameters own = split(network.layout(), row, true);
  const at::Tensor loss = at::cross_entropy_loss(scores(own, block.x[k].to(at::kDouble)), block.labels[k]);
  loss.backward();
  std::vector<at::Tensor> gradients, after;
  for (const at::Tensor& p : own) {
    gradients.push_back((p.grad().defined() ? p.grad() : at::zeros_like(p)).reshape({-1}));
    after.push_back(p.detach().reshape({-1}));
  }
  return {loss.item<double>(), at::cat(gradients), at::cat(after)};
}

double distance(const at::Tensor& a, const at::Tensor& want) {
  return (a.to(at::kDouble) - want).abs().max().item<double>() / std::max(want.abs().max().item<double>(), 1e-2);
}

// The slope of the reference's loss along a direction, in float64.
double slope(const Network& network, const Scores& scores, const Block& block, std::size_t k, const at::Tensor& along) {
  const auto loss = [&](double step) {
    const at::Tensor row = block.params[k].to(at::kDouble) + step * along;
    return at::cross_entropy_loss(scores(split(network.layout(), row, false), block.x[k].to(at::kDouble)),
                                  block.labels[k])
        .item<double>();
  };
  const double h = 1e-5;
  return (loss(h) - loss(-h)) / (2 * h);
}

void expect_equal(const Network& network, const Scores& scores, const std::vector<std::int64_t>& counts) {
  const Block block = block_of(network, counts);
  for (const StackForm& form : forms) {
    const ParameterRows rows(counts.size(), network.layout().size);
    rows.values.copy_(block.params);
    StackedNetwork net(network, rows, block.batch, form);
    load(net, block);
    net.forward();
    net.loss_and_gradient();
    net.backward(GradientUse::store());
    for (std::size_t k = 0; k < counts.size(); ++k) {
      const Reference want = reference(network, scores, block, k, block.params[k]);
      EXPECT_NEAR(rows.losses[k].item<double>(), want.loss, 1e-5 * (1 + want.loss));
      for (const Parameter& p : network.layout().parameters) {
        const auto part = [&](const at::Tensor& row) { return row.narrow(0, p.offset, p.size); };
        EXPECT_LT(distance(part(rows.gradients[k]), part(want.gradient)), 2e-5) << p.name << " of client " << k;
        EXPECT_LT(distance(part(rows.values[k]), part(want.after)), 1e-6) << p.name << " of client " << k;
      }
      at::Tensor along = at::empty({network.layout().size}, at::kDouble);
      RandomStream random(random_key(k, "source/synthetic"), 1);
      for (double& value : std::span(along.mutable_data_ptr<double>(), along.numel())) value = random.normal();
      for (const Range& buffer : network.layout().ranges(Role::buffer))
        along.narrow(0, buffer.first, buffer.size).zero_();
      const double got = at::dot(rows.gradients[k].to(at::kDouble), along).item<double>();
      EXPECT_NEAR(got, slope(network, scores, block, k, along), 1e-4 * (1 + std::abs(got)));
    }
    // Adds to the gradients and steps at once.
    const at::Tensor gradients = rows.gradients.clone();
    load(net, block);
    rows.values.copy_(block.params);
    net.forward();
    net.loss_and_gradient();
    net.backward(GradientUse::add());
    EXPECT_LT(distance(rows.gradients, 2 * gradients.to(at::kDouble)), 1e-6);
    load(net, block);
    net.forward();
    net.loss_and_gradient();
    net.backward(GradientUse::descend(0.5));
    for (const Range& range : network.layout().trained()) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(1, range.first, range.size); };
      EXPECT_LT(distance((part(block.params) - part(rows.values)) / 0.5, part(gradients).to(at::kDouble)), 2e-5);
    }
  }
}

TEST(Layers, StridedConvolutions) {
  Network network({2, 7, 6});
  network.add(layers::conv2d(4, 3, 1, 2)).add(layers::relu()).add(layers::conv2d(3, 1, 0, 2, layers::Bias::none));
  network.add(layers::flatten()).add(layers::linear(3));
  EXPECT_EQ(network.layout().parameters[2].name, "conv2.weight");
  EXPECT_EQ(network.layout().parameters[3].name, "dense1.weight");
  expect_equal(network,
               [](const Parameters& p, const at::Tensor& x) {
                 const at::Tensor a = at::conv2d(at::relu(at::conv2d(x, p[0], p[1], 2, 1)), p[2], {}, 2);
                 return at::linear(a.flatten(1), p[3], p[4]);
               },
               {5, 1, 4});
}

TEST(Layers, GroupNorm) {
  Network network({2, 5, 3});
  network.add(layers::conv2d(6, 3, 1)).add(layers::group_norm(3)).add(layers::relu());
  network.add(layers::flatten()).add(layers::linear(4));
  const Scores scores = [](const Parameters& p, const at::Tensor& x) {
    const at::Tensor a = at::relu(at::group_norm(at::conv2d(x, p[0], p[1], 1, 1), 3, p[2], p[3], 1e-5));
    return at::linear(a.flatten(1), p[4], p[5]);
  };
  expect_equal(network, scores, {5});
  expect_equal(network, scores, {5, 1, 4});
  EXPECT_THROW(Network({5, 2, 2}).add(layers::group_norm(2)), UserError);
}

Network with_batch_norm() {
  Network network({2, 4, 3});
  network.add(layers::batch_norm()).add(layers::conv2d(5, 3, 1)).add(layers::batch_norm()).add(layers::relu());
  network.add(layers::flatten()).add(layers::linear(4));
  return network;
}

at::Tensor normalized(const Parameters& p, std::size_t first, const at::Tensor& x, bool training = true) {
  return at::batch_norm(x, p[first], p[first + 1], p[first + 2], p[first + 3], training, 0.1, 1e-5, false);
}

TEST(Layers, BatchNorm) {
  const auto scores = [](bool training) {
    return [training](const Parameters& p, const at::Tensor& x) {
      const at::Tensor a = normalized(p, 6, at::conv2d(normalized(p, 0, x, training), p[4], p[5], 1, 1), training);
      return at::linear(at::relu(a).flatten(1), p[10], p[11]);
    };
  };
  const Network network = with_batch_norm();
  EXPECT_EQ(network.layout().parameters[2].name, "norm1.running_mean");
  EXPECT_EQ(network.layout().parameters[9].role, Role::buffer);
  expect_equal(network, scores(true), {5});
  expect_equal(network, scores(true), {5, 1, 4});

  // An evaluation takes the running values and keeps them.
  const Block block = block_of(network, {5, 3});
  for (const StackForm& form : forms) {
    const ParameterRows rows(2, network.layout().size);
    rows.values.copy_(block.params);
    StackedNetwork net(network, rows, block.batch, form);
    load(net, block);
    net.evaluate();
    net.loss_and_gradient();
    EXPECT_TRUE(at::equal(rows.values, block.params));
    for (std::size_t k = 0; k < 2; ++k) {
      const double want = reference(network, scores(false), block, k, block.params[k]).loss;
      EXPECT_NEAR(rows.losses[k].item<double>(), want, 1e-5 * (1 + want));
    }
  }
}

TEST(Layers, BatchNormOfOneValueGivesTheBias) {
  Network network({3, 1, 1});
  network.add(layers::batch_norm()).add(layers::linear(2));
  const Block block = block_of(network, {1, 2});
  for (const StackForm& form : forms) {
    const ParameterRows rows(2, network.layout().size);
    rows.values.copy_(block.params);
    StackedNetwork net(network, rows, 2, form);
    load(net, block);
    net.forward();
    net.loss_and_gradient();
    net.backward(GradientUse::store());
    EXPECT_TRUE(at::isfinite(rows.values).all().item<bool>());
    EXPECT_EQ(rows.gradients[0].narrow(0, 0, 3).abs().max().item<float>(), 0);  // the factors of x - mean, which is 0
    const at::Tensor before = block.params[0].narrow(0, 6, 3), x = block.x[0].view({3});
    EXPECT_LT(distance(rows.values[0].narrow(0, 6, 3), (0.9 * before + 0.1 * x).to(at::kDouble)), 1e-6);

    // Without examples nothing moves.
    const at::Tensor kept = rows.values.clone();
    net.weights().zero_();
    net.forward();
    EXPECT_TRUE(at::equal(rows.values, kept));
  }
}

TEST(Layers, GlobalAveragePooling) {
  Network network({3, 5, 4});
  network.add(layers::conv2d(4, 1)).add(layers::global_avg_pool2d()).add(layers::linear(3));
  expect_equal(network,
               [](const Parameters& p, const at::Tensor& x) {
                 return at::linear(at::adaptive_avg_pool2d(at::conv2d(x, p[0], p[1]), {1, 1}).flatten(1), p[2], p[3]);
               },
               {3, 2});
}

TEST(Layers, Residual) {
  Network network({2, 6, 6});
  Network same({4, 6, 6}), smaller({4, 6, 6}), shortcut({4, 6, 6});
  same.add(layers::relu()).add(layers::conv2d(4, 3, 1));  // changes its input in place
  smaller.add(layers::conv2d(6, 3, 1, 2)).add(layers::batch_norm()).add(layers::relu()).add(layers::conv2d(6, 3, 1));
  shortcut.add(layers::conv2d(6, 1, 0, 2, layers::Bias::none));
  network.add(layers::conv2d(4, 3, 1)).add(layers::residual(same)).add(layers::relu());
  network.add(layers::residual(smaller, shortcut)).add(layers::relu());
  network.add(layers::flatten()).add(layers::linear(3));
  const std::vector<std::string> names = network.layout().names();
  EXPECT_EQ(names[2], "residual1.conv1.weight");
  EXPECT_EQ(names[8], "residual2.norm1.running_mean");
  EXPECT_EQ(names[12], "residual2.shortcut.conv1.weight");
  EXPECT_EQ(network.layout().parameters[8].role, Role::buffer);
  expect_equal(network,
               [](const Parameters& p, const at::Tensor& x) {
                 at::Tensor a = at::conv2d(x, p[0], p[1], 1, 1);
                 a = at::relu(a + at::conv2d(at::relu(a), p[2], p[3], 1, 1));
                 const at::Tensor b = at::relu(normalized(p, 6, at::conv2d(a, p[4], p[5], 2, 1)));
                 a = at::relu(at::conv2d(b, p[10], p[11], 1, 1) + at::conv2d(a, p[12], {}, 2));
                 return at::linear(a.flatten(1), p[13], p[14]);
               },
               {4, 2});
}

TEST(Layers, ResidualFirstInANetwork) {
  Network network({3, 4, 4}), block({3, 4, 4});
  block.add(layers::relu()).add(layers::conv2d(3, 3, 1));
  network.add(layers::residual(block)).add(layers::flatten()).add(layers::linear(2));
  expect_equal(network,
               [](const Parameters& p, const at::Tensor& x) {
                 return at::linear((x + at::conv2d(at::relu(x), p[0], p[1], 1, 1)).flatten(1), p[2], p[3]);
               },
               {3, 2});
  const double convolution = 2.0 * 3 * 16 * 3 * 9, dense = 2.0 * 48 * 2;
  EXPECT_EQ(network.flops_per_example(), 2 * convolution + 3 * dense);
}

TEST(Layers, ScalersMultiplyInTraining) {
  Network network({2, 4, 3});
  network.add(layers::conv2d(4, 3, 1)).add(layers::scaler(2.5)).add(layers::relu()).add(layers::flatten());
  network.add(layers::linear(6)).add(layers::scaler(0.5)).add(layers::relu()).add(layers::linear(3));
  const auto scores = [](double first, double second) {
    return [=](const Parameters& p, const at::Tensor& x) {
      const at::Tensor a = at::relu(first * at::conv2d(x, p[0], p[1], 1, 1));
      return at::linear(at::relu(second * at::linear(a.flatten(1), p[2], p[3])), p[4], p[5]);
    };
  };
  expect_equal(network, scores(2.5, 0.5), {5, 1, 4});

  const Block block = block_of(network, {5, 3});
  for (const StackForm& form : forms) {
    const ParameterRows rows(2, network.layout().size);
    rows.values.copy_(block.params);
    StackedNetwork net(network, rows, block.batch, form);
    load(net, block);
    net.evaluate();
    net.loss_and_gradient();
    for (std::size_t k = 0; k < 2; ++k) {
      const double want = reference(network, scores(1, 1), block, k, block.params[k]).loss;
      EXPECT_NEAR(rows.losses[k].item<double>(), want, 1e-5 * (1 + want));
    }
  }
}

TEST(Layers, Embedding) {
  Network network({6, 1, 1});
  network.add(layers::embedding(4, 3)).add(layers::flatten()).add(layers::linear(5));
  Block block = block_of(network, {4, 2});
  for (at::Tensor& x : block.x) x.abs_().clamp_max_(3).floor_();
  for (const StackForm& form : forms) {
    const ParameterRows rows(2, network.layout().size);
    rows.values.copy_(block.params);
    StackedNetwork net(network, rows, 4, form);
    load(net, block);
    net.forward();
    net.loss_and_gradient();
    net.backward(GradientUse::store());
    for (std::size_t k = 0; k < 2; ++k) {
      const Reference want = reference(
          network,
          [](const Parameters& p, const at::Tensor& x) {
            const at::Tensor rows_of_tokens = at::embedding(p[0], x.flatten(1).to(at::kLong));  // [n, 6, 3]
            return at::linear(rows_of_tokens.transpose(1, 2).flatten(1), p[1], p[2]);
          },
          block, k, block.params[k]);
      EXPECT_NEAR(rows.losses[k].item<double>(), want.loss, 1e-5 * want.loss);
      EXPECT_LT(distance(rows.gradients[k], want.gradient), 1e-5);
    }
    if (form.arithmetic == StackForm::Arithmetic::library) continue;
    net.inputs().fill_(4);
    EXPECT_THROW(net.forward(), BrokenInvariant);
  }
}

// A client's bits depend neither on its neighbours nor on how many they are.
TEST(Layers, NormsDoNotDependOnNeighbours) {
  Network network({2, 4, 3});
  network.add(layers::conv2d(8, 3, 1)).add(layers::batch_norm()).add(layers::group_norm(2)).add(layers::flatten());
  network.add(layers::linear(4));
  const Block eight = block_of(network, {5, 1, 4, 5, 2, 3, 5, 4});
  const auto trained = [&](std::size_t clients) {
    ParameterRows rows(clients, network.layout().size);
    rows.values.copy_(eight.params.narrow(0, 0, clients));
    Block block = eight;
    block.x.resize(clients);
    StackedNetwork net(network, rows, 5, forms[0]);
    for (int step = 0; step < 3; ++step) {
      load(net, block);
      net.forward();
      net.loss_and_gradient();
      net.backward(GradientUse::descend(0.1));
    }
    return rows.values;
  };
  const at::Tensor all = trained(8), two = trained(2), one = trained(1);
  EXPECT_TRUE(at::equal(all.narrow(0, 0, 2), two));
  EXPECT_LT(distance(one, all.narrow(0, 0, 1).to(at::kDouble)), 1e-5);
}

}  // namespace
}  // namespace shoal
