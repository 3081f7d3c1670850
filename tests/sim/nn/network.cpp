// Shapes, names, counts and initial values of networks.
#include "sim/nn/network.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"

namespace shoal {
namespace models {
std::unique_ptr<Model> cnn_fedjax(Settings&);
std::unique_ptr<Model> cnn_mcmahan(Settings&);
std::unique_ptr<Model> logistic_regression(Settings&);
std::unique_ptr<Model> mlp(Settings&);
}  // namespace models

namespace {

Network network_of(std::unique_ptr<Model> (*make)(Settings&), Settings settings = {}) {
  return *make(settings)->build({.shape = {1, 28, 28}, .classes = 10}, at::kCPU)->network();
}

TEST(Network, ParameterCountsArePublishedOnes) {
  EXPECT_EQ(network_of(models::logistic_regression).layout().size, 7850);
  EXPECT_EQ(network_of(models::mlp).layout().size, 199210);
  EXPECT_EQ(network_of(models::cnn_mcmahan).layout().size, 1663370);
  EXPECT_EQ(network_of(models::cnn_fedjax).layout().size, 1199882);
}

TEST(Network, MlpTakesWidths) {
  const Network network = network_of(models::mlp, Settings::parse("widths = [30]", "test"));
  EXPECT_EQ(network.layout().size, 784 * 30 + 30 + 30 * 10 + 10);
}

TEST(Network, NamesAndShapesAreThoseOfPyTorch) {
  const Network network = network_of(models::cnn_mcmahan);
  const auto& parameters = network.layout().parameters;
  ASSERT_EQ(parameters.size(), 8U);
  EXPECT_EQ(parameters[0].name, "conv1.weight");
  EXPECT_EQ(parameters[2].name, "conv2.weight");
  EXPECT_EQ(parameters[3].name, "conv2.bias");
  EXPECT_EQ(parameters[4].name, "dense1.weight");
  EXPECT_EQ(parameters[7].name, "dense2.bias");
  EXPECT_EQ(parameters[2].shape, (std::vector<std::int64_t>{64, 32, 5, 5}));
  EXPECT_EQ(parameters[4].shape, (std::vector<std::int64_t>{512, 3136}));
  std::int64_t offset = 0;
  for (const Parameter& p : parameters) {
    EXPECT_EQ(p.offset, offset);
    offset += p.size;
  }
}

TEST(Network, CountsTheProductsOfBothDirections) {
  Network network({784, 1, 1});
  network.add(layers::linear(200)).add(layers::relu()).add(layers::linear(10));
  EXPECT_EQ(network.flops_per_example(), 2.0 * (2 * 784 * 200 + 3 * 200 * 10));
}

TEST(Network, InitializesUniformlyFromTheKeyAlone) {
  const Network network = network_of(models::mlp);
  const at::Tensor a = network.initial_parameters(random_key(1, "model/initial_parameters"));
  EXPECT_TRUE(at::equal(a, network.initial_parameters(random_key(1, "model/initial_parameters"))));
  EXPECT_FALSE(at::equal(a, network.initial_parameters(random_key(2, "model/initial_parameters"))));
  for (std::size_t i = 0; i < 6; i += 2) {
    const Parameter& weight = network.layout().parameters[i];
    const double bound = 1 / std::sqrt(weight.shape[1]);
    const at::Tensor own = a.slice(0, weight.offset, weight.offset + weight.size);
    EXPECT_LE(own.abs().max().item<double>(), bound * (1 + 1e-6));
    EXPECT_GT(own.abs().max().item<double>(), 0.99 * bound);
    // 4 standard errors of a uniform draw's mean and mean square.
    EXPECT_NEAR(own.mean().item<double>(), 0, 4 * bound / std::sqrt(3.0 * weight.size));
    EXPECT_NEAR(own.square().mean().item<double>() / (bound * bound), 1.0 / 3, 4 * std::sqrt(4.0 / 45 / weight.size));
  }
}

// A layer with a factor for each channel, initially 1.
class Scale final : public Layer {
 public:
  std::string_view kind() const override { return "scale"; }
  Shape output(const Shape& input) const override { return input; }
  std::vector<Parameter> parameters(const Shape& input) const override {
    return {{.name = "factor", .shape = {input.channels}, .role = Role::personal}};
  }
  void initialize(std::span<float> values, const Shape&, RandomStream&) const override {
    std::ranges::fill(values, 1.0F);
  }
  std::unique_ptr<StackedLayer> stack(const Activation&, const ParameterRows&, std::span<const Parameter>,
                                      const StackForm&) const override {
    return nullptr;
  }
};

TEST(Network, TakesTheParametersThatALayerLists) {
  const auto scale = std::make_shared<Scale>();
  Network network({7, 1, 1});
  network.add(scale).add(layers::linear(3)).add(scale);
  const auto& parameters = network.layout().parameters;
  ASSERT_EQ(parameters.size(), 4U);
  EXPECT_EQ(parameters[0].name, "scale1.factor");
  EXPECT_EQ(parameters[1].name, "dense1.weight");
  EXPECT_EQ(parameters[3].name, "scale2.factor");
  EXPECT_EQ(parameters[0].role, Role::personal);
  EXPECT_EQ(parameters[2].role, Role::shared);
  EXPECT_EQ(parameters[3].offset, 7 + 21 + 3);
  EXPECT_EQ(network.layout().size, 7 + 21 + 3 + 3);
  const at::Tensor initial = network.initial_parameters(random_key(1, "model/initial_parameters"));
  EXPECT_TRUE(at::equal(initial.narrow(0, 0, 7), at::ones({7})));
  EXPECT_TRUE(at::equal(initial.narrow(0, 31, 3), at::ones({3})));
  EXPECT_LE(initial.narrow(0, 7, 24).abs().max().item<double>(), 1 / std::sqrt(7.0));
  EXPECT_GT(initial.narrow(0, 7, 24).abs().max().item<double>(), 0.5 / std::sqrt(7.0));
}

TEST(Network, RefusesImagesThatAreTooSmall) {
  EXPECT_THROW(Network({1, 2, 2}).add(layers::conv2d(4, 3)), UserError);
  EXPECT_THROW(Network({1, 1, 8}).add(layers::max_pool2d(2)), UserError);
  EXPECT_THROW(Network({1, 4, 4}).add(layers::conv2d(2, 3)).add(layers::linear(3)), BrokenInvariant);  // not flattened
}

}  // namespace
}  // namespace shoal
