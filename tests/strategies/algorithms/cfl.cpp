// Does CFL split clusters that have converged to a compromise, by the directions of their updates?
#include <gmock/gmock.h>

#include <cmath>

#include "tests/sim/round/rounds.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr double rate = 0.1, reach = 0.271;  // 1 - 0.9^3: the share of the way to its optimum that a client goes
const std::vector<double> optima = {4, -3, 5, -2.5, 4.4, -3.5, 6};

Federation quadratics(const std::string& more, const std::string& rest = "") {
  std::string list, ones;
  for (const double optimum : optima) {
    list += fmt::format("{},", optimum);
    ones += "1,";
  }
  return federation(fmt::format(
      "strategy = {{name = \"cfl\", mean_norm = 0.05, largest_norm = 0.25, first_round = 4{}}}\n"
      "planner = {{cohort = {}}}\nlocal = {{steps = 3, rate = {}, block = 2}}\n{}"
      "[task]\nname = \"quadratic\"\nprecision = \"float64\"\ncurvatures = [{}]\noptima = [{}]\nstart = 9\n",
      more, optima.size(), rate, rest, ones, list));
}

// In one dimension updates point one way or the other.
struct Loop {
  std::vector<double> model = {9};
  std::vector<std::size_t> cluster = std::vector<std::size_t>(optima.size(), 0);

  void round(int number, std::size_t most) {
    const std::size_t before = model.size();
    for (std::size_t g = 0; g < before; ++g) {
      std::vector<std::size_t> members, up, down;
      double mean = 0, largest = 0;
      for (std::size_t i = 0; i < optima.size(); ++i) {
        if (cluster[i] != g) continue;
        const double update = reach * (optima[i] - model[g]);
        members.push_back(i);
        (update > 0 ? up : down).push_back(i);
        mean += update;
        largest = std::max(largest, std::abs(update));
      }
      mean /= members.size();
      const bool splits = number >= 4 && model.size() < most && members.size() > 2 && std::abs(mean) < 0.05 &&
                          largest > 0.25 && !up.empty() && !down.empty();
      if (!splits) {
        model[g] += mean;
        continue;
      }
      if (down.front() < up.front()) std::swap(up, down);  // the lowest client stays
      const auto mean_of = [&](const std::vector<std::size_t>& some) {
        double sum = 0;
        for (const std::size_t i : some) sum += reach * (optima[i] - model[g]);
        return sum / some.size();
      };
      for (const std::size_t i : down) cluster[i] = model.size();
      model.push_back(model[g] + mean_of(down));
      model[g] += mean_of(up);
    }
  }
};

double model_of(const State& state, std::size_t cluster) {
  return state.tensor(cluster == 0 ? "params" : fmt::format("model/{}", cluster)).item<double>();
}

TEST(Cfl, SplitsByDirection) {
  Loop loop;
  const Federation parts = quadratics(", clusters = 3");
  std::vector<std::size_t> clusters;
  play(parts, 40, {2, 1}, [&](const FederationState& state, const Communicator& comm) {
    if (comm.rank() != 0) return;
    loop.round(state.round, 3);
    const State& own = state.strategy();
    ASSERT_EQ(own.integer("clusters"), std::ssize(loop.model)) << "round " << state.round;
    for (std::size_t g = 0; g < loop.model.size(); ++g) EXPECT_NEAR(model_of(own, g), loop.model[g], 1e-8) << g;
    for (std::size_t i = 0; i < optima.size(); ++i) {
      EXPECT_EQ(own.tensor("cluster")[i].item<std::int64_t>(), loop.cluster[i]) << i;
    }
    clusters.push_back(loop.model.size());
  });
  EXPECT_EQ(clusters.front(), 1U);
  EXPECT_EQ(clusters.back(), 3U);
}

TEST(Cfl, NeverSplitsWithOneCluster) {
  const Played cfl = play(quadratics(", clusters = 1"), 20);
  Federation avg = quadratics(", clusters = 1");
  avg.strategy = federation("strategy = \"fed_avg\"\ntask = \"quadratic\"\n").strategy;
  EXPECT_NEAR(cfl.last().item<double>(), play(avg, 20).last().item<double>(), 1e-9);
}

// Two kinds of clients in 6 dimensions: what one kind calls class 0 is class 1 for the other.
TEST(Cfl, FindsClientsWithOtherLabels) {
  const Federation parts = federation(
      "strategy = {name = \"cfl\", mean_norm = 10, largest_norm = 0.01, first_round = 3, clusters = 2}\n"
      "data = {name = \"synthetic\", examples = 800, test_examples = 20, features = 6, classes = 2, transforms = "
      "[{name = \"label_flip\", clients = 0.5}]}\npartition = {clients = 8}\nmodel = \"logistic_regression\"\n"
      "local = {epochs = 2, batch = 10, rate = 0.1, block = 3}\nplanner = {cohort = 8}\n");
  State state;
  play(parts, 3, {}, [&](const FederationState& all, const Communicator&) { state = all.strategy(); });
  ASSERT_EQ(state.integer("clusters"), 2);
  EXPECT_EQ(state.tensor("cluster").sum().item<std::int64_t>(), 4);
  EXPECT_EQ(state.tensor("cluster")[0].item<std::int64_t>(), 0);
  // Models of the two kinds point in opposite directions.
  const at::Tensor one = state.tensor("params"), other = state.tensor("model/1");
  EXPECT_LT((one.dot(other) / (one.norm() * other.norm())).item<double>(), 0.5);
}

TEST(Cfl, HasTheSameBitsOnAnyRanks) {
  const Federation parts =
      quadratics("", "population = {dropouts = [0.1, 0.1]}\ncodec = {name = \"quantize\"}\nstages = [\"clip\"]\n");
  const Played alone = play(parts, 30);
  EXPECT_GT(alone.strategy.integers().at("clusters"), 1);
  const std::string one = alone.bits;
  for (const Hands hands : {Hands{1, 3}, Hands{2, 1}, Hands{3, 2}}) {
    EXPECT_EQ(play(parts, 30, hands).bits, one) << hands.ranks << " ranks";
  }
}

}  // namespace
}  // namespace shoal
