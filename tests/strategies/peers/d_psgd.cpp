// Does D-PSGD compute X W - rate G(X), agree with FedAvg on a complete graph, and contract as W does?

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "sim/gossip/topology.hpp"
#include "sim/task/quadratic.hpp"
#include "tests/sim/gossip/gossips.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t nodes = 7, dimension = 4;
const std::string task =
    "task = {name = \"quadratic\", clients = 7, dimension = 4, spread = 2, start = 1, precision = \"float64\"}\n";

at::Tensor stacked(const Gossiped& result) {
  std::vector<at::Tensor> rows;
  for (const auto& [node, model] : result.models) rows.push_back(model);
  return at::stack(rows);
}

// The recursion of the paper (nodes are rows here), with matrices: X := W X - rate H (X - B).
TEST(DPsgd, FollowsThePaper) {
  const std::string toml = "rounds = 6\ntopology = \"ring\"\nlocal = {steps = 1, rate = 0.2, block = 2}\n" + task;
  const Settings all = Settings::parse(toml, "test.toml");
  const Quadratic objectives(all.section("task"), 1);
  const at::TensorOptions real(at::kDouble);
  at::Tensor h = at::empty({nodes, 1}, real), b = at::empty({nodes, dimension}, real);
  for (std::int64_t i = 0; i < nodes; ++i) {
    h[i][0] = objectives.curvature(ClientId{i});
    objectives.optimum(ClientId{i}, b[i].mutable_data_ptr<double>());
  }
  at::Tensor w = at::zeros({nodes, nodes}, real);
  for (std::int64_t i = 0; i < nodes; ++i) {
    for (const std::int64_t j : {i, (i + 1) % nodes, (i + nodes - 1) % nodes}) w[i][j] = 1.0 / 3;
  }
  at::Tensor x = at::ones({nodes, dimension}, real);
  for (int round = 1; round <= 6; ++round) x = at::matmul(w, x) - 0.2 * h * (x - b);

  const Gossiped result = gossiped(toml, 6, {2, 1});
  EXPECT_LT((stacked(result) - x).abs().max().item<double>(), 1e-13);
  EXPECT_LT((result.mean - x.mean(0)).abs().max().item<double>(), 1e-13);
  const double distance = (x - x.mean(0)).pow(2).sum(1).mean().sqrt().item<double>();
  EXPECT_NEAR(result.records.back().measures.at("consensus_distance"), distance, 1e-13);
}

TEST(DPsgd, IsFedAvgOnACompleteGraph) {
  const std::string common = "rounds = 5\nlocal = {steps = 3, rate = 0.2, block = 2}\n" + task;
  const Gossiped peers =
      gossiped(common + "topology = \"complete\"\npeer = {name = \"d_psgd\", exchange = \"after\"}\n", 5);
  const Finished server = finished(Settings::parse(
      common + "planner = {cohort = 7}\naggregator = {name = \"exact_sum\", weights = \"uniform\"}\n", "test.toml"));
  EXPECT_LT((peers.mean - server.model).abs().max().item<double>(), 1e-12);
  EXPECT_LT(peers.records.back().measures.at("consensus_distance"), 1e-14);
}

// The optima are an eigenvector of the ring's W, and after the first round the rate is 0: every further round
// multiplies all models by its eigenvalue.
TEST(DPsgd, ContractsByTheSecondEigenvalue) {
  constexpr std::int64_t n = 9;
  std::string optima, curvatures;
  for (std::int64_t i = 0; i < n; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
    optima += fmt::format("{}{:.17g}", i == 0 ? "" : ", ", std::cos(angle));
    curvatures += i == 0 ? "1" : ", 1";
  }
  const std::string toml = fmt::format(
      "rounds = 8\ntopology = \"ring\"\nlocal = {{steps = 1, rate = 0.5, schedule = \"exponential\", decay = 0}}\n"
      "task = {{name = \"quadratic\", curvatures = [{}], optima = [{}], precision = \"float64\"}}\n",
      curvatures, optima);
  const double second = 1.0 / 3 + 2.0 / 3 * std::cos(2 * std::numbers::pi / static_cast<double>(n));
  const Gossiped result = gossiped(toml, 8);
  double expected = 0.5 * std::sqrt(0.5);  // the root mean square of a cosine
  for (const RoundRecord& record : result.records) {
    EXPECT_NEAR(record.measures.at("consensus_distance"), expected, 1e-14) << record.round;
    expected *= second;
  }
  EXPECT_NEAR(result.mean.item<double>(), 0, 1e-15);
}

TEST(DPsgd, ReachesTheMeanInAHypercube) {
  const std::string toml =
      "rounds = 4\ntopology = \"hypercube\"\nlocal = {steps = 1, rate = 0.5, schedule = \"exponential\", decay = 0}\n"
      "task = {name = \"quadratic\", clients = 8, dimension = 3, precision = \"float64\"}\n";
  const Gossiped result = gossiped(toml, 4);
  // The rate is 0 in rounds 2 to 4, which mix over the bits 1, 2 and 0.
  EXPECT_GT(result.records[2].measures.at("consensus_distance"), 1e-3);
  EXPECT_LT(result.records[3].measures.at("consensus_distance"), 1e-15);
}

}  // namespace
}  // namespace shoal
