// Does FedAMP mix the clients' models as its weights say, and does each client get its own mixture?
#include <gmock/gmock.h>

#include <ATen/ops/equal.h>

#include <cmath>

#include "tests/sim/round/rounds.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using test::federation;
using test::Hands;
using test::play;
using test::Played;

constexpr double alpha = 0.5, sigma = 1, lambda = 1;

std::string quadratics(const std::string& rest = "") {
  return "strategy = {name = \"fed_amp\", alpha = 0.5, sigma = 1, lambda = 1}\nplanner = {cohort = 3}\n"
         "local = {steps = 5, rate = 0.1}\n" +
         rest +
         "[task]\nname = \"quadratic\"\ncurvatures = [1, 4, 2]\noptima = [0, 1, 0.5]\nstart = 2\n"
         "precision = \"float64\"\n";
}

struct Loop {
  std::vector<double> mixture = {2, 2, 2}, model = {0, 0, 0};

  void round() {
    const double h[] = {1, 4, 2}, b[] = {0, 1, 0.5};
    for (int i = 0; i < 3; ++i) {
      double y = mixture[i];
      for (int step = 0; step < 5; ++step) y -= 0.1 * (h[i] * (y - b[i]) + lambda / alpha * (y - mixture[i]));
      model[i] = y;
    }
    for (int i = 0; i < 3; ++i) {
      double own = 1;
      mixture[i] = 0;
      for (int j = 0; j < 3; ++j) {
        if (j == i) continue;
        const double gap = model[i] - model[j], weight = alpha / sigma * std::exp(-gap * gap / sigma);
        mixture[i] += weight * model[j];
        own -= weight;
      }
      mixture[i] += own * model[i];
    }
  }
};

// The slots of a client's record: its own model, then what the server keeps for it.
TEST(FedAmp, FollowsTheRuleOnQuadratics) {
  Loop loop;
  for (int rounds = 1; rounds <= 4; ++rounds) {
    loop.round();
    for (const std::string block : {"", "[local]\nsteps = 5\nrate = 0.1\nblock = 3\n"}) {
      std::string text = quadratics();
      if (!block.empty()) text.replace(text.find("local = {steps = 5, rate = 0.1}\n"), 32, "");
      const Played played = play(federation(text + block), rounds, {block.empty() ? 1 : 2, 1});
      ASSERT_EQ(played.memory.size(), 3U);
      for (const auto& [client, record] : played.memory) {
        test::expect_close(record[0], {loop.model[value(client)]}, 1e-12, "model");
        test::expect_close(record[1], {loop.mixture[value(client)]}, 1e-12, "mixture");
      }
      test::expect_close(played.last(), {(loop.model[0] + loop.model[1] + loop.model[2]) / 3}, 1e-9, "mean");
    }
  }
}

const std::string mlp =
    "local = {epochs = 2, batch = 4, block = 3}\nmodel = {name = \"mlp\", widths = [5]}\n"
    "data = {name = \"synthetic\", examples = 240, test_examples = 20, features = 6, classes = 3}\n"
    "partition = {name = \"dirichlet\", clients = 24, alpha = 0.5}\n";

TEST(FedAmp, WithoutAttentionIsLocalTraining) {
  const std::string planner = "planner = {cohort = 24}\n";
  const Played amp = play(federation("strategy = {name = \"fed_amp\", alpha = 0}\n" + planner + mlp), 3);
  const Played local = play(federation("strategy = \"local_only\"\n" + planner + mlp), 3);
  ASSERT_EQ(amp.memory.size(), local.memory.size());
  for (const auto& [client, record] : amp.memory) {
    EXPECT_TRUE(at::equal(record[0], local.memory.at(client)[0])) << value(client);
    EXPECT_TRUE(at::equal(record[1], record[0]));
  }
}

TEST(FedAmp, GivesTheSameBitsOnAnyRanks) {
  for (const std::string planner : {"planner = {cohort = 11, dropout = 0.3}\n",
                                    "planner = {name = \"fed_buff\", concurrency = 9, buffer = 4, dropout = 0.2}\n"}) {
    const Federation parts =
        federation(fmt::format("strategy = {{name = \"fed_amp\", sigma = 0.5}}\n{}{}", planner, mlp));
    const std::string one = play(parts, 6).bits;
    for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(parts, 6, hands).bits, one) << planner << hands.ranks;
    }
  }
}

// A client downloads its mixture in place of a model for all.
TEST(FedAmp, DownloadsOneModel) {
  const Federation parts = federation("strategy = \"fed_amp\"\nplanner = {cohort = 5}\n" + mlp);
  const Played played = play(parts, 2);
  for (const RoundRecord& record : played.records) {
    for (const ClientRow& row : record.clients) {
      EXPECT_EQ(row.bytes_down, 4 * parts.task->layout().size);
      EXPECT_EQ(row.figures.bytes_up, 4 * parts.task->layout().size);
    }
  }
}

TEST(FedAmp, Refuses) {
  const auto error = [](const std::string& rest) {
    return test::user_error_of([&] { play(federation("strategy = \"fed_amp\"\n" + rest + mlp), 1); });
  };
  EXPECT_THAT(error("aggregator = \"exact_sum\"\n"), testing::HasSubstr("does not give them"));
  EXPECT_THAT(error("rules = [{name = \"krum\"}]\n"), testing::HasSubstr("single clients"));
  EXPECT_THAT(error("stages = [{name = \"gaussian\"}]\n"), testing::HasSubstr("uses more of them"));
}

}  // namespace
}  // namespace shoal
