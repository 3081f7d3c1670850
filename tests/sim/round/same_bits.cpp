// Does every strategy give the same bits on any number of ranks and threads, with clients dropping out and updates
// clipped?

#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>

#include <set>

#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::vector<std::string> strategies() {
  std::vector<std::string> names;
  for (const Part<Strategy>& part : parts<Strategy>()) names.emplace_back(part.name);
  return names;
}

const std::vector<std::string> tasks = {
    "task = {name = \"quadratic\", clients = 40, dimension = 33, spread = 0.3}\n",
    "model = {name = \"mlp\", widths = [7]}\n"
    "data = {name = \"synthetic\", examples = 400, test_examples = 20, features = 9, classes = 4, server = 40}\n"
    "partition = {name = \"dirichlet\", clients = 40, alpha = 0.5}\n"};

struct Blocks {
  int clients;
  const char* form;
};

std::string toml(const std::string& task, const std::string& strategy, const Blocks& block) {
  const double momentum = strategy == "scaffold" || strategy == "mime" ? 0 : 0.5;
  std::string steps = fmt::format("epochs = 3, batch = 4, momentum = {}, ", momentum);
  if (strategy == "fed_sgd" || strategy == "afl") steps.clear();  // their clients take none
  return fmt::format(
      "strategy = \"{}\"\nstages = [{{name = \"clip\", bound = 0.4}}]\nplanner = {{cohort = 15, dropout = 0.2}}\n"
      "local = {{{}block = {}, form = \"{}\"}}\n{}",
      strategy, steps, block.clients, block.form, task);
}

// Strategies that need labels, outputs or data of the server refuse the first task.
bool refuses_quadratics(const std::string& strategy) {
  const std::set<std::string> refusing = {"fed_law", "fed_lc", "fed_ntd", "fed_proto", "mixed_fl"};
  return refusing.contains(strategy);
}

// Some send no parameters; FedPer keeps the last layer with the clients, and quadratic functions have no other.
bool keeps_server_model(const std::string& strategy, const std::string& task) {
  return strategy == "local_only" || strategy == "fed_proto" || (strategy == "fed_per" && task == tasks[0]);
}

class SameBits : public ::testing::TestWithParam<std::string> {};

TEST_P(SameBits, OnAnyNumberOfRanksAndThreads) {
  for (const std::string& task : tasks) {
    if (task == tasks[0] && refuses_quadratics(GetParam())) {
      EXPECT_THROW(federation(toml(task, GetParam(), {1, "in_turn"})), UserError);
      continue;
    }
    for (const Blocks& block : {Blocks{1, "in_turn"}, Blocks{4, "stacked"}}) {
      const Federation parts = federation(toml(task, GetParam(), block));
      const Played one = play(parts, 5);
      EXPECT_TRUE(at::isfinite(one.last()).all().item<bool>());
      EXPECT_EQ(at::equal(one.params[0], one.last()), keeps_server_model(GetParam(), task));
      std::int64_t dropouts = 0;
      for (const RoundRecord& record : one.records) dropouts += record.dropouts;
      EXPECT_GT(dropouts, 0);
      for (const int ranks : {1, 2, 3, 5, 8}) {
        for (const int threads : {1, 2}) {
          EXPECT_EQ(play(parts, 5, {ranks, threads}).bits, one.bits)
              << ranks << " ranks, " << threads << " threads, blocks of " << block.clients << "\n"
              << task;
        }
      }
    }
  }
}

// A block whose clients are trained in turn gives the same bits as blocks of one client.
TEST_P(SameBits, InTurnInBlocksOfAnySize) {
  const std::string alone = play(federation(toml(tasks[1], GetParam(), {1, "in_turn"})), 5).bits;
  for (const int clients : {2, 4, 64}) {
    EXPECT_EQ(play(federation(toml(tasks[1], GetParam(), {clients, "in_turn"})), 5).bits, alone) << clients;
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, SameBits, ::testing::ValuesIn(strategies()),
                         [](const auto& info) { return info.param; });

// The comparison above can fail: other seeds and other settings have other bits.
TEST(SameBits, DifferForOtherExperiments) {
  const std::string base = toml(tasks[0], "fed_avg", {1, "in_turn"});
  const std::string bits = play(federation(base), 2).bits;
  EXPECT_EQ(play(federation(base), 2).bits, bits);
  EXPECT_NE(play(federation("seed = 2\n" + base), 2).bits, bits);
  EXPECT_NE(play(federation(toml(tasks[0], "fed_prox", {1, "in_turn"})), 2).bits, bits);
  EXPECT_NE(play(federation(base), 3).bits, bits);
  const auto blocks = [](const char* form) { return play(federation(toml(tasks[1], "fed_avg", {4, form})), 2).bits; };
  EXPECT_NE(blocks("in_turn"), blocks("stacked"));
}

// Clipping by hand: one client with an update of known length.
TEST(SameBits, ClipUpdatesToTheBound) {
  const std::string one = "planner = {cohort = 1}\ntask = {name = \"quadratic\", curvatures = [1], optima = [10]}\n";
  EXPECT_FLOAT_EQ(numbers(play(federation(one), 1).last())[0], 1);  // rate 0.1, gradient -10
  const std::string clip = "stages = [{name = \"clip\", bound = 0.25}]\n";
  EXPECT_FLOAT_EQ(numbers(play(federation(clip + one), 1).last())[0], 0.25F);
  const std::string wide = "stages = [{name = \"clip\", bound = 2}]\n";
  EXPECT_FLOAT_EQ(numbers(play(federation(wide + one), 1).last())[0], 1);
}

}  // namespace
}  // namespace shoal
