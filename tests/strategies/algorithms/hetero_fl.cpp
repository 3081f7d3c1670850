// Is each parameter of HeteroFL the mean over the clients that hold it, and does a smaller client cost less?
#include <gmock/gmock.h>

#include <ATen/ops/equal.h>

#include <set>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using test::federation;
using test::Hands;
using test::play;
using test::Played;

std::string mlp(const std::string& shrink, const std::string& rest) {
  return fmt::format(
      "model = {{name = \"mlp\", widths = [7, 5]{}}}\n"
      "data = {{name = \"synthetic\", examples = 240, test_examples = 20, features = 6, classes = 3}}\n"
      "partition = {{name = \"dirichlet\", clients = 24, alpha = 0.5, minimum = 2}}\n{}",
      shrink, rest);
}

const std::string three = ", shrink = [1, 0.5, 0.25]";
const std::string local = "local = {epochs = 2, batch = 4, block = 3}\n";

TEST(HeteroFl, OfWholeModelsIsFedAvgInBits) {
  const std::string rest = local + "planner = {cohort = 9, dropout = 0.2}\n";
  const Played avg =
      play(federation("strategy = \"fed_avg\"\naggregator = {weights = \"uniform\"}\n" + mlp("", rest)), 4);
  const Played one = play(federation("strategy = \"hetero_fl\"\n" + mlp("", rest)), 4);
  const Played all_whole =
      play(federation("strategy = \"hetero_fl\"\n" + mlp(three, rest + "task = {variant_shares = [1, 0, 0]}\n")), 4);
  EXPECT_TRUE(at::equal(one.last(), avg.last()));
  EXPECT_TRUE(at::equal(all_whole.last(), avg.last()));
}

// Local training by the task's trainer, one client after the other; everything else by loops over single values.
TEST(HeteroFl, AveragesWhatEachClientHolds) {
  const Federation parts =
      federation("strategy = {name = \"hetero_fl\", rate = 0.8}\nplanner = {cohort = 5}\n" + mlp(three, local));
  const Task& task = *parts.task;
  const auto trainer = task.trainer();
  const Played played = play(parts, 3);
  std::vector<double> x = test::numbers(task.initial_parameters(random_key(parts.seed, "model/initial_parameters")));
  std::set<std::int32_t> seen;
  for (std::size_t r = 0; r < 3; ++r) {
    std::vector<double> sum(x.size(), 0), held(x.size(), 0);
    for (const ClientRow& row : played.records[r].clients) {
      const Participation& p = row.participation;
      EXPECT_EQ(p.variant, task.variant(p.client));
      EXPECT_EQ(p.group, p.variant);
      const ParameterLayout& own = task.layout(p.variant);
      EXPECT_EQ(row.bytes_down, 4 * own.size);
      EXPECT_EQ(row.figures.bytes_up, 4 * own.size);
      seen.insert(p.variant);
      std::vector<std::int64_t> places(own.size);
      for (std::int64_t i = 0; i < own.size; ++i) {
        places[i] = own.places.defined() ? own.places[i].item<std::int64_t>() : i;
      }
      std::vector<float> start;
      for (const std::int64_t place : places) start.push_back(x[place]);
      const LocalSettings settings = parts.local->at(p.round);
      trainer->open({&p, 1}, settings);
      const std::vector<double> delta = test::numbers(trainer->fit(at::tensor(start), {}).delta.dense()[0]);
      for (std::size_t i = 0; i < places.size(); ++i) {
        sum[places[i]] += delta[i];
        held[places[i]] += 1;
      }
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (held[i] > 0) x[i] += 0.8 * sum[i] / held[i];
    }
    test::expect_close(played.params[r], x, 1e-5, fmt::format("round {}", r + 1));
  }
  EXPECT_GT(seen.size(), 1U);
}

// The part of the model that no client trains stays.
TEST(HeteroFl, LeavesAloneWhatNobodyHolds) {
  const Federation parts = federation("strategy = \"hetero_fl\"\nplanner = {cohort = 5}\n" +
                                      mlp(three, local + "task = {variant_shares = [0, 1, 1]}\n"));
  const at::Tensor before = parts.task->initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  const at::Tensor changed = play(parts, 3).last().ne(before);
  const at::Tensor places = parts.task->layout(1).places;
  EXPECT_GT(changed.sum().item<std::int64_t>(), places.numel() / 2);
  at::Tensor outside = at::ones({before.numel()}, at::kBool);
  outside.index_fill_(0, places, false);
  EXPECT_GT(outside.sum().item<std::int64_t>(), 0);
  EXPECT_FALSE(changed.logical_and(outside).any().item<bool>());
}

TEST(HeteroFl, GivesTheSameBitsOnAnyRanks) {
  for (const std::string planner : {"planner = {cohort = 12, dropout = 0.2}\n",
                                    "planner = {name = \"fed_buff\", concurrency = 9, buffer = 4, dropout = 0.2}\n"}) {
    for (const std::string sums : {"", "codec = \"quantize\"\n", "stages = [{name = \"adaptive_clip\"}]\n"}) {
      const Federation parts =
          federation(fmt::format("strategy = \"hetero_fl\"\n{}{}{}", planner, sums, mlp(three, local)));
      const std::string one = play(parts, 5).bits;
      for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
        EXPECT_EQ(play(parts, 5, hands).bits, one) << planner << sums << hands.ranks;
      }
    }
  }
}

TEST(HeteroFl, Refuses) {
  const auto error = [](const std::string& strategy, const std::string& rest) {
    return test::user_error_of(
        [&] { play(federation(fmt::format("strategy = \"{}\"\n", strategy) + mlp(three, local + rest)), 1); });
  };
  EXPECT_EQ(error("hetero_fl", ""), "");
  EXPECT_THAT(error("fed_avg", ""), testing::HasSubstr("3 variants"));
  EXPECT_THAT(error("hetero_fl", "rules = [{name = \"krum\"}]\n"), testing::HasSubstr("different sizes"));
  EXPECT_THAT(error("hetero_fl", "codec = \"top_k\"\n"), testing::HasSubstr("different sizes"));
}

}  // namespace
}  // namespace shoal
