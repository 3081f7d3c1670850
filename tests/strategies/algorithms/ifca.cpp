// Does IFCA find the clusters of its clients, and is each of its models FedAvg on its own cluster?
#include <gmock/gmock.h>

#include <ATen/ops/equal.h>
#include <fmt/ranges.h>

#include <set>

#include "tests/sim/round/rounds.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using test::federation;
using test::Hands;
using test::play;
using test::Played;

// Clients with these optima and all curvatures 1.
std::string quadratics(const std::vector<double>& optima, double start, const std::string& rest) {
  const std::vector<double> ones(optima.size(), 1);
  return fmt::format(
      "local = {{steps = 3, rate = 0.2}}\nplanner = {{cohort = {}}}\n{}\n[task]\nname = \"quadratic\"\n"
      "curvatures = [{}]\noptima = [{}]\nstart = {}\nprecision = \"float64\"\n",
      optima.size(), rest, fmt::join(ones, ", "), fmt::join(optima, ", "), start);
}

const std::vector<double> left = {-5, -4.5, -6}, right = {5, 4, 7, 5.5};

// Left and right alternate among the ids.
std::vector<double> mixed() { return {5, -5, 4, -4.5, 7, -6, 5.5}; }
bool is_right(ClientId client) { return value(client) % 2 == 0; }

TEST(Ifca, TrainsEachModelOnItsCluster) {
  const Federation parts = federation(quadratics(mixed(), 0, "strategy = {name = \"ifca\", spread = 1}"));
  const FederationState fresh(parts, 1, 0);
  const double start = fresh.strategy().tensor("model/1").item<double>();
  ASSERT_GT(std::abs(start), 1e-3);
  const Played found = play(parts, 6);
  const auto alone = [](const std::vector<double>& cluster, double from) {
    return play(federation(quadratics(cluster, from, "strategy = \"fed_avg\"")), 6);
  };
  const bool second_is_right = start > 0;
  const Played first = alone(second_is_right ? left : right, 0), second = alone(second_is_right ? right : left, start);
  test::expect_close(found.last(), test::numbers(first.last()), 1e-13, "the first model");
  test::expect_close(found.strategy.tensor("model/1"), test::numbers(second.last()), 1e-13, "the second model");
  for (const RoundRecord& record : found.records) {
    ASSERT_EQ(record.clients.size(), 7U);
    for (const ClientRow& row : record.clients) {
      EXPECT_EQ(row.participation.group, is_right(row.participation.client) == second_is_right ? 1 : 0);
      EXPECT_EQ(row.bytes_down, 2 * 8);  // both models
      EXPECT_EQ(row.figures.bytes_up, 8);
    }
  }
}

TEST(Ifca, WithOneModelIsFedAvgInBits) {
  const std::string rest =
      "planner = {cohort = 9, dropout = 0.2}\nlocal = {epochs = 2, batch = 4, block = 3, momentum = 0.5}\n"
      "stages = [{name = \"adaptive_clip\"}]\nmodel = {name = \"mlp\", widths = [5]}\n"
      "data = {name = \"synthetic\", examples = 200, test_examples = 20, features = 6, classes = 3}\n"
      "partition = {name = \"dirichlet\", clients = 20, alpha = 0.5}\n";
  const Played one = play(federation("strategy = {name = \"ifca\", clusters = 1}\n" + rest), 4);
  EXPECT_TRUE(at::equal(one.last(), play(federation("strategy = \"fed_avg\"\n" + rest), 4).last()));
}

// A cluster without clients in a round keeps its model.
TEST(Ifca, LeavesAModelAloneThatNobodyChooses) {
  const Federation parts = federation(quadratics({-5, -6, -4}, 0, "strategy = {name = \"ifca\", clusters = 3}"));
  const FederationState fresh(parts, 1, 0);
  const Played played = play(parts, 3);
  int moved = 0;
  for (const char* name : {"params", "model/1", "model/2"}) {
    moved += at::equal(fresh.strategy().tensor(name), played.strategy.tensor(name)) ? 0 : 1;
  }
  EXPECT_EQ(moved, 1);  // the one that is furthest to the left
}

TEST(Ifca, GivesTheSameBitsOnAnyRanks) {
  for (const std::string planner : {"planner = {cohort = 12, dropout = 0.2}\n",
                                    "planner = {name = \"fed_buff\", concurrency = 9, buffer = 4, dropout = 0.2}\n"}) {
    for (const std::string sums : {"", "rules = [{name = \"krum\"}]\n", "aggregator = \"kept_rows\"\n"}) {
      const Federation parts =
          federation(planner + sums +
                     "strategy = {name = \"ifca\", clusters = 3}\nlocal = {epochs = 2, batch = 5, block = 3}\n"
                     "stages = [{name = \"clip\", bound = 0.5}]\nmodel = {name = \"mlp\", widths = [5]}\n"
                     "data = {name = \"synthetic\", examples = 300, test_examples = 20, features = 6, classes = 3}\n"
                     "partition = {name = \"dirichlet\", clients = 30, alpha = 0.3}\n");
      const Played one = play(parts, 6);
      std::set<std::int32_t> groups;
      for (const RoundRecord& record : one.records) {
        for (const ClientRow& row : record.clients) groups.insert(row.participation.group);
      }
      EXPECT_GT(groups.size(), 1U);
      for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
        EXPECT_EQ(play(parts, 6, hands).bits, one.bits) << planner << sums << hands.ranks;
      }
    }
  }
}

// Rows and sums give the same means, so do many clusters of kept rows without rules.
TEST(Ifca, MeansOfRowsAreThoseOfSums) {
  const std::string strategy = "strategy = {name = \"ifca\", spread = 1}";
  const Played sums = play(federation(quadratics(mixed(), 0, strategy)), 4);
  const Played rows = play(federation(quadratics(mixed(), 0, strategy + "\naggregator = \"kept_rows\"")), 4);
  test::expect_close(rows.last(), test::numbers(sums.last()), 1e-13, "the first model");
  const at::Tensor second = sums.strategy.tensor("model/1");
  test::expect_close(rows.strategy.tensor("model/1"), test::numbers(second), 1e-13, "the second model");
}

TEST(Ifca, RefusesPartsThatMixGroups) {
  const auto error = [](const std::string& rest) {
    return test::user_error_of(
        [&] { play(federation(quadratics(mixed(), 0, "strategy = {name = \"ifca\", spread = 1}\n" + rest)), 1); });
  };
  EXPECT_THAT(error("aggregator = \"median\""), testing::HasSubstr("does not keep their updates apart"));
  EXPECT_THAT(error("stages = [{name = \"adaptive_clip\"}]"), testing::HasSubstr("choose their group after the"));
  EXPECT_EQ(error("stages = [{name = \"clip\"}]"), "");
}

}  // namespace
}  // namespace shoal
