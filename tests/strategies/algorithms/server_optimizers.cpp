// Does the server's step give the exact numbers of the update rules? Three rounds from x = [1, -2] with the mean
// changes [0.5, -0.25], [-0.1, 0.3], [0.2, 0.2]. Expected values were computed in high precision from the rules of
// Reddi et al. (arXiv 2003.00295) and Hsu et al. (arXiv 1909.06335). Flower's variants start v at 0; its FedAdam
// corrects the bias.

#include "tests/sim/round/rounds.hpp"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

namespace shoal {
namespace {

using test::expect_close;

std::unique_ptr<Strategy> strategy(const std::string& name, const std::string& toml) {
  Settings settings = Settings::parse(toml, "test.toml");
  auto made = find_part<Strategy>("strategy", name).make(settings);
  settings.finish();
  return made;
}

at::Tensor vector(const std::vector<double>& values, at::ScalarType type) {
  at::Tensor tensor = at::zeros({std::ssize(values)}, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<double>());
  return tensor.to(type);
}

// The state after a server update for each row of `means`, which is the mean of every channel.
State after(const Strategy& strategy, const std::vector<double>& start, const std::vector<std::vector<double>>& means,
            at::ScalarType type, std::int64_t accepted = 4, std::int64_t clients = 10) {
  ParameterLayout layout{.type = type};
  layout.add("x", {std::ssize(start)});
  State state;
  state.put("params", vector(start, type));
  Board board;
  const auto context = [&](std::int64_t round) {
    return ServerContext{.layout = layout, .population = clients, .clients = clients, .round = round, .board = board};
  };
  strategy.init(state, context(0));
  std::int64_t round = 0;
  for (const auto& mean : means) {
    Aggregate group{.clients = accepted};
    group.means.assign(strategy.channels(layout).size(), vector(mean, type));
    group.weights.assign(group.means.size(), accepted);
    strategy.server_update(state, std::span(&group, 1), context(++round));
  }
  return state;
}

struct Oracle {
  const char* what;
  const char* name;
  const char* settings;
  std::vector<double> params;
  std::map<std::string, std::vector<double>> state;
};

std::ostream& operator<<(std::ostream& out, const Oracle& oracle) { return out << oracle.what; }

const std::vector<double> start = {1, -2};
const std::vector<std::vector<double>> changes = {{0.5, -0.25}, {-0.1, 0.3}, {0.2, 0.2}};

// FedAdagrad, FedAdam and FedYogi have the default rate 0.1 and tau 1e-3.
const std::vector<Oracle> oracles = {
    {"FedAdagrad", "fed_adagrad", "", {1.1166752416682, -1.9774946885927}, {{"v", {0.300001, 0.192501}}}},
    {"FedAdam",
     "fed_adam",
     "",
     {1.2587492345377, -2.0174005140866},
     {{"m", {0.0515, 0.02675}}, {"v", {0.002950220299, 0.001904532799}}}},
    {"FedYogi",
     "fed_yogi",
     "",
     {1.2576523989917, -2.0177648114102},
     {{"m", {0.0515, 0.02675}}, {"v", {0.003001, 0.001926}}}},
    {"FedAdagrad_Flower", "fed_adagrad", "initial_v = 0", {1.1166754639392, -1.9774951137696}, {{"v", {0.3, 0.1925}}}},
    {"FedYogi_Flower",
     "fed_yogi",
     "initial_v = 0",
     {1.2576994205726, -2.0178175737056},
     {{"m", {0.0515, 0.02675}}, {"v", {0.003, 0.001925}}}},
    {"FedAdam_Flower",
     "fed_adam",
     "initial_v = 0\nbias_correction = true",
     {1.1695535686708, -2.0248610383879},
     {{"m", {0.0515, 0.02675}}, {"v", {0.00294925, 0.0019035625}}}},
    {"FedAvgM", "fed_avgm", "momentum = 0.9", {2.365, -1.9075}, {{"velocity", {0.515, 0.2675}}}},
    // By hand: v = 0.9 v + change; x += change + 0.9 v.
    {"FedAvgM_Nesterov", "fed_avgm", "nesterov = true", {2.8285, -1.66675}, {{"velocity", {0.515, 0.2675}}}},
    {"FedAvgM_without_momentum", "fed_avgm", "momentum = 0\nrate = 0.5", {1.3, -1.875}, {{"velocity", {0.2, 0.2}}}},
    // By hand: x += rate * sum of changes, [0.6, 0.25].
    {"FedAvg", "fed_avg", "", {1.6, -1.75}, {}},
    {"FedAvg_half_rate", "fed_avg", "rate = 0.5", {1.3, -1.875}, {}},
    {"FedProx", "fed_prox", "", {1.6, -1.75}, {}},
    {"FedSGD", "fed_sgd", "rate = 0.1", {0.94, -2.025}, {}},
    // By hand: x as in FedAvg; the server's control variate moves by the share of clients, 4 of 10.
    {"SCAFFOLD", "scaffold", "rate = 0.5", {1.3, -1.875}, {{"control", {0.24, 0.1}}}},
};

class ServerOptimizer : public ::testing::TestWithParam<Oracle> {};

TEST_P(ServerOptimizer, FollowsItsRule) {
  const Oracle& oracle = GetParam();
  const auto part = strategy(oracle.name, oracle.settings);
  for (const auto& [type, tolerance] : {std::pair(at::kDouble, 1e-12), std::pair(at::kFloat, 1e-6)}) {
    const State state = after(*part, start, changes, type);
    ASSERT_EQ(state.params().scalar_type(), type);
    // The table has 13 decimals.
    const double digits = type == at::kDouble ? 1e-13 : 0;
    expect_close(state.params(), oracle.params, tolerance + digits, "params");
    for (const auto& [name, values] : oracle.state) {
      expect_close(state.tensor(name), values, tolerance, name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ServerOptimizer, ::testing::ValuesIn(oracles),
                         [](const auto& info) { return std::string(info.param.what); });

// Flower's own test of FedAdagrad: initially 0.1; two clients of equal weight return 0.2 and 1, so the mean change is
// 0.5.
TEST(ServerOptimizers, FedAdagradAgreesWithFlowersTest) {
  const auto part = strategy("fed_adagrad", "rate = 0.1\ntau = 0.5\ninitial_v = 0");
  expect_close(after(*part, {0.1}, {{0.5}}, at::kDouble).params(), {0.15}, 1e-15, "params");
}

// By default v starts at tau^2 for any tau.
TEST(ServerOptimizers, StartTheSecondMomentAtTheSquareOfTau) {
  for (const char* name : {"fed_adagrad", "fed_adam", "fed_yogi"}) {
    expect_close(after(*strategy(name, "tau = 0.25"), {1, 2}, {}, at::kDouble).tensor("v"), {0.0625, 0.0625}, 1e-15,
                 name);
  }
}

}  // namespace
}  // namespace shoal
