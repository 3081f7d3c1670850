// Does the whole engine (plan, local steps, weights, sum, server step) give the closed form? Two clients with equal
// weights have F_i = 1/2 h_i (x - b_i)^2 with h = (1, 4), b = (0, 1); local rate 0.1, 5 full-gradient steps, initially
// x = 2. The optimum of the mean is 0.8. Expected values were computed in high precision from the update rules.

#include "tests/sim/round/rounds.hpp"

#include <ATen/ops/equal.h>

#include <cmath>
#include <set>

namespace shoal {
namespace {

using namespace shoal::test;

std::string two_clients(const std::string& strategy, const std::string& precision, const std::string& aggregator,
                        const std::string& local = "[local]\nsteps = 5\nbatch = 0\nrate = 0.1\n") {
  return fmt::format(
      "strategy = {}\naggregator = \"{}\"\n"
      "[task]\nname = \"quadratic\"\ncurvatures = [1, 4]\noptima = [0, 1]\nstart = 2\nprecision = \"{}\"\n"
      "[planner]\ncohort = 2\n{}",
      strategy, aggregator, precision, local);
}

struct Oracle {
  const char* what;
  const char* strategy;
  std::vector<double> rounds;  // the model after rounds 1, 2 and 3
  double limit;                // the model after 300 rounds
};

std::ostream& operator<<(std::ostream& out, const Oracle& oracle) { return out << oracle.what; }

const std::vector<Oracle> oracles = {
    {"FedAvg", "\"fed_avg\"", {1.12937, 0.83847075125, 0.7412740397614}, 0.6925023465365},
    {"FedProx", "{name = \"fed_prox\", mu = 1}", {1.27634, 0.9547310228, 0.8118015611528}, 0.6974693113503},
    {"SCAFFOLD", "\"scaffold\"", {1.12937, 0.82923514175, 0.7655698810879}, 0.8},
};

class QuadraticOracle : public ::testing::TestWithParam<Oracle> {
 protected:
  void expect_rounds(const std::string& precision, const std::string& aggregator, Hands hands, double tolerance) const {
    const Oracle& oracle = GetParam();
    const Played played = play(federation(two_clients(oracle.strategy, precision, aggregator)), 300, hands);
    const std::string what = fmt::format("{} {} on {} ranks", precision, aggregator, hands.ranks);
    for (std::size_t r = 0; r < oracle.rounds.size(); ++r) {
      expect_close(played.params[r], {oracle.rounds[r]}, tolerance, fmt::format("{}, round {}", what, r + 1));
    }
    expect_close(played.last(), {oracle.limit}, tolerance, what + ", limit");
  }
};

TEST_P(QuadraticOracle, InDoubleWithAFloatSum) { expect_rounds("float64", "float_sum", {1, 1}, 1e-12); }

TEST_P(QuadraticOracle, InDoubleWithTheExactSum) {
  for (const int ranks : {1, 2, 3}) expect_rounds("float64", "exact_sum", {ranks, 1}, 1e-9);
}

TEST_P(QuadraticOracle, InSinglePrecision) {
  for (const int ranks : {1, 2, 3}) {
    expect_rounds("float32", "exact_sum", {ranks, 1}, 1e-6);
    expect_rounds("float32", "float_sum", {ranks, 1}, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, QuadraticOracle, ::testing::ValuesIn(oracles),
                         [](const auto& info) { return std::string(info.param.what); });

// On any partition, FedSGD is gradient descent on the union: x -= rate mean h_i (x - b_i), which is 0.1 (2.5 x - 2).
TEST(QuadraticOracles, FedSgdIsGradientDescentOnTheMean) {
  const Played played =
      play(federation(two_clients("{name = \"fed_sgd\", rate = 0.1}", "float64", "exact_sum", "")), 20);
  double x = 2;
  for (const at::Tensor& params : played.params) {
    x -= 0.1 * (2.5 * x - 2);
    expect_close(params, {x}, 1e-12, "params");
  }
}

// The same with data: unequal clients, all of them in every round, compared with one client that holds all examples.
TEST(QuadraticOracles, FedSgdOfUnequalClientsIsCentral) {
  const std::string common =
      "strategy = {name = \"fed_sgd\", rate = 0.5}\nmodel = \"logistic_regression\"\n"
      "data = {name = \"synthetic\", examples = 600, test_examples = 10, features = 8, classes = 4}\n";
  const std::string twelve = "partition = {name = \"dirichlet\", clients = 12, alpha = 0.5, minimum = 1}\n";
  const Federation many = federation(common + twelve + "planner = {cohort = 12}\n");
  const Federation one = federation(common + "partition = {name = \"iid\", clients = 1}\nplanner = {cohort = 1}\n");
  std::set<std::int64_t> sizes;
  for (std::int64_t c = 0; c < 12; ++c) sizes.insert(many.task->work(ClientId{c}).examples);
  ASSERT_GT(sizes.size(), 4U);  // otherwise the weights would not matter
  const Played distributed = play(many, 5, {2, 1}), central = play(one, 5);
  EXPECT_FALSE(at::equal(central.params[0], central.last()));
  for (std::size_t r = 0; r < 5; ++r) expect_close(distributed.params[r], numbers(central.params[r]), 1e-6, "params");
}

// A special case that equals FedAvg by its formula equals it in bits.
TEST(QuadraticOracles, FedProxWithoutPullIsFedAvg) {
  const std::string rest =
      "task = {name = \"quadratic\", clients = 20, dimension = 9}\nlocal = {steps = 4, rate = 0.3, momentum = 0.5}\n";
  const Played prox = play(federation("strategy = {name = \"fed_prox\", mu = 0}\n" + rest), 4);
  const Played avg = play(federation("strategy = \"fed_avg\"\n" + rest), 4);
  const Played pulled = play(federation("strategy = {name = \"fed_prox\", mu = 0.1}\n" + rest), 4);
  EXPECT_TRUE(at::equal(prox.last(), avg.last()));
  EXPECT_FALSE(at::equal(pulled.last(), avg.last()));
}

// All control variates are zero in the first round but not in the second. Clients have equally many examples, so the
// weights agree.
TEST(QuadraticOracles, FirstRoundOfScaffoldIsFedAvg) {
  const std::string rest =
      "task = {name = \"quadratic\", clients = 20, dimension = 9}\nlocal = {steps = 4, rate = 0.3}\n";
  const Played scaffold = play(federation("strategy = \"scaffold\"\n" + rest), 2);
  const Played avg = play(federation("strategy = \"fed_avg\"\n" + rest), 2);
  EXPECT_TRUE(at::equal(scaffold.params[0], avg.params[0]));
  EXPECT_FALSE(at::equal(scaffold.params[1], avg.params[1]));
}

// Dyadic numbers make every step exact, so results can be compared in bits: h = 1, b = 1, rate 1/4 and initially x = 0
// give x = 1 - (3/4)^steps.
TEST(QuadraticOracles, FedAvgOfOneClientIsCentralTraining) {
  for (const char* precision : {"float32", "float64"}) {
    for (const char* aggregator : {"exact_sum", "float_sum"}) {
      const Played played = play(
          federation(fmt::format("aggregator = \"{}\"\n[task]\nname = \"quadratic\"\ncurvatures = [1]\noptima = [1]\n"
                                 "precision = \"{}\"\n[planner]\ncohort = 1\n[local]\nsteps = 3\nrate = 0.25\n",
                                 aggregator, precision)),
          3);
      for (int r = 1; r <= 3; ++r) {
        EXPECT_EQ(numbers(played.params[r - 1])[0], 1 - std::pow(0.75, 3 * r)) << precision;
      }
    }
  }
}

// One client with all the data, minibatches and momentum, compared with the trainer alone, without the engine.
TEST(QuadraticOracles, FedAvgOfOneClientIsTheTrainersSgd) {
  const Federation one = federation(
      "aggregator = {name = \"float_sum\", weights = \"uniform\"}\nmodel = {name = \"mlp\", widths = [5]}\n"
      "data = {name = \"synthetic\", examples = 60, test_examples = 10, features = 6, classes = 3}\n"
      "partition = {name = \"iid\", clients = 1}\nplanner = {cohort = 1}\nlocal = {epochs = 2, momentum = 0.5}\n");
  const Played played = play(one, 3);
  const auto trainer = one.task->trainer();
  at::Tensor x = one.task->initial_parameters(random_key(one.seed, "model/initial_parameters"));
  for (std::int64_t r = 0; r < 3; ++r) {
    const Participation all{.id = ParticipationId{r}, .client = ClientId{0}};
    trainer->open({&all, 1}, one.local->at(r + 1));
    x = x + trainer->fit(x, {}).delta.dense()[0];
    EXPECT_TRUE(at::equal(x, played.params[r])) << "round " << r + 1;
  }
}

}  // namespace
}  // namespace shoal
