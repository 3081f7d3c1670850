// Shapes, names, counts and initial values of networks.
#include "sim/task/network.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "sim/task/model.hpp"

namespace shoal {
namespace models {
std::unique_ptr<Model> cnn_fedjax(Settings&);
std::unique_ptr<Model> cnn_mcmahan(Settings&);
std::unique_ptr<Model> logistic_regression(Settings&);
std::unique_ptr<Model> mlp(Settings&);
}  // namespace models

namespace {

Network network_of(std::unique_ptr<Model> (*make)(Settings&), Settings settings = {}) {
  return make(settings)->network({1, 28, 28}, 10);
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
  network.linear(200).relu().linear(10);
  EXPECT_EQ(network.flops_per_example(), 2.0 * (2 * 784 * 200 + 3 * 200 * 10));
}

TEST(Network, InitialParametersFillTheirRangeAndDependOnTheKeyAlone) {
  const Network network = network_of(models::mlp);
  const at::Tensor a = network.initial_parameters(random_key(1, "model/initial_parameters"));
  EXPECT_TRUE(at::equal(a, network.initial_parameters(random_key(1, "model/initial_parameters"))));
  EXPECT_FALSE(at::equal(a, network.initial_parameters(random_key(2, "model/initial_parameters"))));
  for (std::size_t i = 0; i < 6; i += 2) {
    const Parameter& weight = network.layout().parameters[i];
    const double bound = 1 / std::sqrt(static_cast<double>(weight.shape[1]));
    const at::Tensor own = a.slice(0, weight.offset, weight.offset + weight.size);
    EXPECT_LE(own.abs().max().item<double>(), bound * (1 + 1e-6));
    EXPECT_GT(own.abs().max().item<double>(), 0.99 * bound);
    // 4 standard errors of a uniform draw's mean and mean square.
    EXPECT_NEAR(own.mean().item<double>(), 0, 4 * bound / std::sqrt(3.0 * static_cast<double>(weight.size)));
    EXPECT_NEAR(own.square().mean().item<double>() / (bound * bound), 1.0 / 3,
                4 * std::sqrt(4.0 / 45 / static_cast<double>(weight.size)));
  }
}

TEST(Network, RefusesImagesThatAreTooSmall) {
  EXPECT_THROW(Network({1, 2, 2}).conv2d(4, 3), UserError);
  EXPECT_THROW(Network({1, 1, 8}).max_pool2d(2), UserError);
  EXPECT_THROW(Network({1, 4, 4}).conv2d(2, 3).linear(3), BrokenInvariant);  // not flattened
}

}  // namespace
}  // namespace shoal
