// Has a smaller variant the upper left blocks of the whole model, and does it compute what these should?
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/model.hpp"
#include "sim/nn/shrink.hpp"

namespace shoal {
namespace models {
std::unique_ptr<Model> cnn_fedjax(Settings&);
std::unique_ptr<Model> cnn_mcmahan(Settings&);
std::unique_ptr<Model> mlp(Settings&);
std::unique_ptr<Model> resnet(Settings&);
}  // namespace models

namespace {

using Make = std::unique_ptr<Model> (*)(Settings&);

std::shared_ptr<const Learnable> built(Make make, const std::string& toml, const Shape& shape, std::int64_t classes) {
  Settings settings = Settings::parse(toml, "test.toml");
  std::shared_ptr<const Learnable> model = make(settings)->build({.shape = shape, .classes = classes}, at::kCPU);
  settings.finish();
  return model;
}

std::vector<std::int64_t> places(const Learnable& model, std::int32_t variant) {
  const at::Tensor all = model.variant(variant).layout().places;
  return {all.const_data_ptr<std::int64_t>(), all.const_data_ptr<std::int64_t>() + all.numel()};
}

// Scores [b, classes] of an evaluation of images [b, channels, height, width].
at::Tensor scores(const Learnable& model, const at::Tensor& params, const at::Tensor& x) {
  const std::unique_ptr<Worker> worker = model.worker(1, at::kCPU);
  worker->rows().values[0].copy_(params);
  const Gathered batch{.features = x.permute({0, 2, 3, 1}).contiguous(),
                       .targets = at::zeros({x.size(0)}, at::kLong),
                       .mask = {},
                       .weights = at::ones({x.size(0)})};
  return worker->evaluate({&batch, 1}, 1).scores[0].clone();
}

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor values = at::empty(shape);
  RandomStream random(random_key(seed, "source/synthetic"), 0);
  for (float& value : std::span(values.mutable_data_ptr<float>(), values.numel())) value = random.normal();
  return values;
}

at::Tensor drawn_parameters(const Learnable& model) {
  at::Tensor all = model.initial_parameters(random_key(1, "model/initial_parameters")) + 0.01 * drawn({1}, 2);
  for (const Parameter& p : model.layout().parameters) {
    if (p.name.ends_with("running_var")) all.narrow(0, p.offset, p.size).fill_(1.5);
    if (p.name.ends_with("running_mean")) all.narrow(0, p.offset, p.size).copy_(0.1 * drawn({p.size}, 3));
  }
  return all;
}

void expect_close(const at::Tensor& a, const at::Tensor& want) {
  EXPECT_LT((a - want).abs().max().item<double>(), 1e-5 * want.abs().max().item<double>());
}

TEST(Variants, PlacesOfDenseLayers) {
  const auto model = built(models::mlp, "widths = [4]\nshrink = [1, 0.5]", {3, 1, 1}, 2);
  // weight [4, 3] from 0, bias [4] from 12, weight [2, 4] from 16, bias [2] from 24
  ASSERT_EQ(model->variants(), 2);
  EXPECT_EQ(places(*model, 1), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 12, 13, 16, 17, 20, 21, 24, 25}));
  EXPECT_FALSE(model->layout().places.defined());
  EXPECT_EQ(&model->variant(0), model.get());
  EXPECT_EQ(model->variant(1).layout().names(), model->layout().names());
  EXPECT_EQ(model->variant(1).flops_per_example(), 2.0 * (2 * 3 * 2 + 3 * 2 * 2));
  EXPECT_THROW(model->variant(2), BrokenInvariant);
}

TEST(Variants, PlacesOfConvolutions) {
  const auto network = [](std::int64_t first, std::int64_t second) {
    Network net({2, 1, 2});
    net.add(layers::conv2d(first, 1)).add(layers::conv2d(second, 1)).add(layers::flatten()).add(layers::linear(2));
    return net;
  };
  Network model = network(3, 2);
  // weight [3, 2, 1, 1] from 0, bias [3] from 6, weight [2, 3, 1, 1] from 9, bias [2] from 15,
  // weight [2, 2 channels x 2 pixels] from 17, bias [2] from 25
  model.vary(network(2, 1));
  EXPECT_EQ(places(model, 1), (std::vector<std::int64_t>{0, 1, 2, 3, 6, 7, 9, 10, 15, 17, 18, 21, 22, 25, 26}));
  EXPECT_THROW(network(2, 1).vary(network(3, 1)), UserError);
}

struct Case {
  std::string name;
  Make make;
  std::string toml;
};

const std::vector<Case> all_models{
    {"mlp", models::mlp, "widths = [12, 7]\nshrink = [1, 0.5, 0.25]"},
    {"cnn_mcmahan", models::cnn_mcmahan, "shrink = [1, 0.5, 0.25]"},
    {"cnn_fedjax", models::cnn_fedjax, "shrink = [1, 0.3, 0.0625]"},
    {"resnet", models::resnet, "norm = \"batch\"\nshrink = [1, 0.5, 0.25]"},
};

TEST(Variants, AreNestedUpperLeftBlocks) {
  for (const auto& [name, make, toml] : all_models) {
    const auto model = built(make, toml, {2, 8, 8}, 5);
    ASSERT_EQ(model->variants(), 3) << name;
    const at::Tensor whole = at::arange(model->layout().size);
    for (const std::int32_t v : {1, 2}) {
      const ParameterLayout& own = model->variant(v).layout();
      ASSERT_EQ(own.places.numel(), own.size);
      EXPECT_LT(own.size, model->variant(v - 1).layout().size);
      for (std::size_t i = 0; i < own.parameters.size(); ++i) {
        const Parameter &p = own.parameters[i], &of_whole = model->layout().parameters[i];
        at::Tensor block = whole.narrow(0, of_whole.offset, of_whole.size).view(of_whole.shape);
        for (std::size_t side = 0; side < p.shape.size(); ++side) block = block.narrow(side, 0, p.shape[side]);
        EXPECT_TRUE(at::equal(own.places.narrow(0, p.offset, p.size), block.reshape({-1}))) << name << ", " << p.name;
        EXPECT_EQ(p.role, of_whole.role);
      }
    }
    const std::vector<std::int64_t> half = places(*model, 1), quarter = places(*model, 2);
    EXPECT_TRUE(std::ranges::includes(half, quarter)) << name;
  }
}

TEST(Variants, ComputeWithTheFirstUnits) {
  const auto model = built(models::mlp, "widths = [9, 6]\nshrink = [1, 0.5]", {2, 3, 2}, 4);
  const at::Tensor whole = drawn_parameters(*model), x = drawn({5, 2, 3, 2}, 4);
  const auto part = [&](std::size_t i) {
    const Parameter& p = model->layout().parameters[i];
    return whole.narrow(0, p.offset, p.size).view(p.shape);
  };
  at::Tensor a = at::relu(at::linear(x.flatten(1), part(0).narrow(0, 0, 5), part(1).narrow(0, 0, 5)));
  a = at::relu(at::linear(a, part(2).narrow(0, 0, 3).narrow(1, 0, 5), part(3).narrow(0, 0, 3)));
  a = at::linear(a, part(4).narrow(1, 0, 3), part(5));
  const Learnable& half = model->variant(1);
  expect_close(scores(half, whole.index_select(0, half.layout().places), x), a);
}

TEST(Variants, ComputeWithTheFirstChannels) {
  const auto model = built(models::cnn_mcmahan, "shrink = [1, 0.5]", {2, 8, 8}, 4);
  const at::Tensor whole = drawn_parameters(*model), x = drawn({3, 2, 8, 8}, 4);
  const auto part = [&](std::size_t i) {
    const Parameter& p = model->layout().parameters[i];
    return whole.narrow(0, p.offset, p.size).view(p.shape);
  };
  at::Tensor a = at::conv2d(x, part(0).narrow(0, 0, 16), part(1).narrow(0, 0, 16), 1, 2);
  a = at::max_pool2d(at::relu(a), 2);
  a = at::conv2d(a, part(2).narrow(0, 0, 32).narrow(1, 0, 16), part(3).narrow(0, 0, 32), 1, 2);
  a = at::max_pool2d(at::relu(a), 2);
  const at::Tensor dense = part(4).view({512, 64, 4}).narrow(0, 0, 256).narrow(1, 0, 32).reshape({256, 128});
  a = at::relu(at::linear(a.flatten(1), dense, part(5).narrow(0, 0, 256)));
  a = at::linear(a, part(6).narrow(1, 0, 256), part(7));
  const Learnable& half = model->variant(1);
  expect_close(scores(half, whole.index_select(0, half.layout().places), x), a);
}

// Units whose parameters are all 0 answer 0, and so add nothing to the layers behind them.
TEST(Variants, AreTheWholeWithSilentUnits) {
  for (const auto& [name, make, toml] : all_models) {
    const auto model = built(make, toml, {2, 8, 8}, 5);
    const at::Tensor whole = drawn_parameters(*model), x = drawn({4, 2, 8, 8}, 4);
    for (const std::int32_t v : {1, 2}) {
      const at::Tensor& held = model->variant(v).layout().places;
      const at::Tensor own = whole.index_select(0, held);
      expect_close(scores(model->variant(v), own, x),
                   scores(*model, at::zeros_like(whole).index_copy(0, held, own), x));
    }
  }
}

TEST(Variants, WidthsAreRoundedUp) {
  EXPECT_EQ(Shrunk(0.5, false).width(7), 4);
  EXPECT_EQ(Shrunk(0.5, false).width(8), 4);
  EXPECT_EQ(Shrunk(0.14, false).width(50), 7);  // 7.000000000000001 in floating point
  EXPECT_EQ(Shrunk(1.0 / 3, false).width(3), 1);
  EXPECT_EQ(Shrunk(0.01, false).width(3), 1);
  EXPECT_EQ(Shrunk(1, false).width(3), 3);
}

TEST(Variants, ScalersStandBehindHiddenLayers) {
  const std::string toml = "widths = [6, 6]\nshrink = [1, 0.5]\n";
  const auto plain = built(models::mlp, toml, {3, 1, 1}, 2);
  const auto scaled = built(models::mlp, toml + "scaler = true", {3, 1, 1}, 2);
  EXPECT_EQ(scaled->network()->places().size(), plain->network()->places().size());  // the whole is not scaled
  EXPECT_EQ(scaled->variant(1).network()->places().size(), plain->variant(1).network()->places().size() + 2);
  EXPECT_TRUE(at::equal(scaled->variant(1).layout().places, plain->variant(1).layout().places));
  const at::Tensor whole = drawn_parameters(*plain), x = drawn({4, 3, 1, 1}, 5);
  const at::Tensor own = whole.index_select(0, plain->variant(1).layout().places);
  EXPECT_TRUE(at::equal(scores(scaled->variant(1), own, x), scores(plain->variant(1), own, x)));
}

TEST(Variants, RefuseWhatCannotBeShrunk) {
  for (const char* ratios : {"[]", "[0.5, 0.25]", "[1, 1]", "[1, 0.25, 0.5]", "[1, 0]", "[2, 1]"}) {
    EXPECT_THROW(built(models::mlp, fmt::format("shrink = {}", ratios), {3, 1, 1}, 2), UserError) << ratios;
  }
  // 4 of 16 channels cannot be divided into 8 groups.
  EXPECT_THROW(built(models::resnet, "shrink = [1, 0.25]", {2, 8, 8}, 2), UserError);
  EXPECT_EQ(built(models::resnet, "groups = 4\nshrink = [1, 0.25]", {2, 8, 8}, 2)->variants(), 2);
}

}  // namespace
}  // namespace shoal
