// Does FedFomo move clients towards the models that serve them, and do they download those with the largest affinity?
#include <gmock/gmock.h>

#include <cmath>

#include "tests/sim/round/rounds.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using test::federation;
using test::Hands;
using test::play;
using test::Played;

constexpr int clients = 5, models = 2;
constexpr double optima[clients] = {0, 1, 0.1, 0.9, 3}, curvatures[clients] = {1, 2, 1.5, 1, 2};

std::string quadratics(int block) {
  return fmt::format(
      "strategy = {{name = \"fed_fomo\", models = {}, exploration = 0}}\nplanner = {{cohort = {}}}\n"
      "local = {{steps = 2, rate = 0.1, block = {}}}\n"
      "[task]\nname = \"quadratic\"\ncurvatures = [1, 2, 1.5, 1, 2]\noptima = [0, 1, 0.1, 0.9, 3]\nstart = 2\n"
      "precision = \"float64\"\n",
      models, clients, block);
}

// The paper's equations for all clients in every round.
struct Loop {
  std::vector<double> model = std::vector<double>(clients, 2.0);
  double affinity[clients][clients] = {};
  int rounds = 0;
  std::vector<int> sent[clients];

  static double loss(int i, double x) { return 0.5 * curvatures[i] * (x - optima[i]) * (x - optima[i]); }

  void round() {
    const std::vector<double> before = model;
    for (int i = 0; i < clients; ++i) {
      sent[i].clear();
      for (int j = 0; j < clients && rounds > 0; ++j) {
        if (j != i) sent[i].push_back(j);
      }
      std::ranges::stable_sort(sent[i], [&](int a, int b) { return affinity[i][a] > affinity[i][b]; });
      sent[i].resize(std::min<std::size_t>(sent[i].size(), models));
      std::map<int, double> weight;
      double total = 0;
      for (const int j : sent[i]) {
        if (before[j] == before[i]) continue;
        weight[j] = std::max(0.0, (loss(i, before[i]) - loss(i, before[j])) / std::abs(before[j] - before[i]));
        total += weight[j];
      }
      double x = before[i];
      for (const auto& [j, w] : weight) {
        if (w == 0) continue;
        affinity[i][j] += w / total;
        x += w / total * (before[j] - before[i]);
      }
      for (int step = 0; step < 2; ++step) x -= 0.1 * curvatures[i] * (x - optima[i]);
      model[i] = x;
    }
    ++rounds;
  }
};

TEST(FedFomo, FollowsTheRuleOnQuadratics) {
  for (const int block : {1, 3}) {
    Loop loop;
    for (int rounds = 1; rounds <= 6; ++rounds) {
      loop.round();
      const Played played = play(federation(quadratics(block)), rounds, {block == 1 ? 1 : 2, 1});
      ASSERT_EQ(played.memory.size(), static_cast<std::size_t>(clients));
      double mean = 0;
      for (const auto& [client, record] : played.memory) {
        // Losses are sums in units of 2^-30.
        test::expect_close(record[0], {loop.model[value(client)]}, 1e-7, fmt::format("model of {}", value(client)));
        test::expect_close(record[1], test::numbers(record[0]), 0, "kept");
        mean += loop.model[value(client)] / clients;
      }
      test::expect_close(played.last(), {mean}, 1e-7, "mean");
      // A client downloads the models that it is sent, and nothing else.
      for (const ClientRow& row : played.records.back().clients) {
        EXPECT_EQ(row.bytes_down, 8 * std::ssize(loop.sent[value(row.participation.client)]));
        EXPECT_EQ(row.figures.bytes_up, 8 * (1 + models));
      }
    }
  }
}

const std::string mlp =
    "local = {epochs = 2, batch = 4, block = 3}\nmodel = {name = \"mlp\", widths = [5]}\n"
    "data = {name = \"synthetic\", examples = 300, test_examples = 20, features = 6, classes = 3, validation = 0.3}\n"
    "partition = {name = \"dirichlet\", clients = 24, alpha = 0.5}\n";

TEST(FedFomo, GivesTheSameBitsOnAnyRanks) {
  const Federation parts = federation("strategy = \"fed_fomo\"\nplanner = {cohort = 11, dropout = 0.3}\n" + mlp);
  const std::string one = play(parts, 6).bits;
  for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    EXPECT_EQ(play(parts, 6, hands).bits, one) << hands.ranks;
  }
}

// Without a model of another client it is local training, and so it is if none does better.
TEST(FedFomo, IsLocalTrainingInTheFirstRound) {
  const Played fomo = play(federation("strategy = \"fed_fomo\"\nplanner = {cohort = 24}\n" + mlp), 1);
  const Played local = play(federation("strategy = \"local_only\"\nplanner = {cohort = 24}\n" + mlp), 1);
  for (const auto& [client, record] : fomo.memory) {
    EXPECT_TRUE(at::equal(record[0], local.memory.at(client)[0])) << value(client);
  }
}

// With exploration a client is sent more different models than without.
TEST(FedFomo, Explores) {
  const auto lists = [](double exploration) {
    const Federation parts = federation(
        fmt::format("strategy = {{name = \"fed_fomo\", models = 3, exploration = {}}}\nplanner = {{cohort = 24}}\n{}",
                    exploration, mlp));
    std::set<ClientId> seen;
    play(parts, 5, {}, [&](const FederationState& state, const Communicator&) {
      const std::vector<ClientId> sent = parts.strategy->sends(state.strategy(), ClientId{7});
      EXPECT_EQ(sent.size(), 3U);
      EXPECT_EQ(std::set<ClientId>(sent.begin(), sent.end()).size(), 3U);
      EXPECT_EQ(std::ranges::count(sent, ClientId{7}), 0);
      seen.insert(sent.begin(), sent.end());
    });
    return seen.size();
  };
  EXPECT_GT(lists(1), 7U);
  EXPECT_LT(lists(0), lists(1));
}

TEST(FedFomo, Refuses) {
  const std::string found = test::refusal("strategy = \"fed_fomo\"\nplanner = \"fed_buff\"\n" + mlp);
  EXPECT_THAT(found, testing::HasSubstr("'fed_fomo' sends clients the models of others, and 'fed_buff' does not wait"));
}

}  // namespace
}  // namespace shoal
