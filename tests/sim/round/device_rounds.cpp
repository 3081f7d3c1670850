// Does a round on the device give the result of a round on the host? Without a GPU, this test runs the device's
// branches on host tensors, since device forms then compute on the host: every bit must equal that of the host's
// branches.

#include <ATen/ops/allclose.h>

#include <atomic>

#include "experiments/program/device.hpp"
#include "kernels/device.hpp"
#include "sim/nn/device.hpp"
#include "tests/sim/round/rounds.hpp"

namespace {

std::atomic<bool> pretending{false};
std::atomic<int> pretended{0};

}  // namespace

namespace shoal {

// In place of sim/nn/device.cpp.
bool on_device(const at::Tensor& tensor) {
  if (pretending) ++pretended;
  return pretending || tensor.is_cuda();
}

namespace {

using namespace shoal::test;

// Plays rounds through the device's branches on host tensors; `branches` counts how often one was taken.
Played play_pretending(const Federation& parts, int rounds, Hands hands, int& branches) {
  pretended = 0;
  pretending = true;
  Played played = play(parts, rounds, hands);
  pretending = false;
  branches = pretended;
  return played;
}

const std::string images =
    "data = {name = \"synthetic\", examples = 3000, test_examples = 50, features = 784, classes = 10}\n"
    "partition = {name = \"dirichlet\", clients = 60, alpha = 0.5}\n"
    "model = {name = \"mlp\", widths = [20]}\n"
    "local = {epochs = 2, batch = 10, block = 4}\n";

const std::string cohorts = "planner = {cohort = 13, dropout = 0.2}\n";

struct Game {
  std::string name, toml;
};
void PrintTo(const Game& game, std::ostream* to) { *to << game.name; }

// Every part that reads or keeps values of updates, and both kinds of weights.
const std::vector<Game> games = {
    {"fed_avg_clip", cohorts + "strategy = \"fed_avg\"\nstages = [{name = \"clip\", bound = 0.1}]\n"},
    {"adaptive_clip", cohorts + "strategy = \"fed_prox\"\nstages = [\"adaptive_clip\"]\n"},
    {"rejected", cohorts + "strategy = \"fed_avg\"\naggregator = {name = \"exact_sum\", bound = 0.05}\n"},
    {"scaffold", cohorts + "strategy = \"scaffold\"\n"},
    {"ditto", cohorts + "strategy = \"ditto\"\n"},
    {"fed_adam", cohorts + "strategy = \"fed_adam\"\n"},
    {"stale", "planner = {name = \"fed_buff\", concurrency = 20, buffer = 5}\nstrategy = \"fed_avg\"\n"},
    {"median", cohorts + "strategy = \"fed_avg\"\naggregator = \"median\"\n"},
    {"rules", cohorts +
                  "strategy = \"fed_avg\"\nstages = [\"adaptive_clip\"]\nrules = [\"nnm\", \"centered_clipping\"]\n" +
                  "attack = {name = \"sign_flip\", malicious = 20}\n"},
    {"groups", cohorts + "strategy = {name = \"ifca\", clusters = 3}\n"},
    {"prelude", cohorts + "strategy = \"mime\"\n"},
    {"kept_for_clients", cohorts + "strategy = {name = \"fed_amp\", sigma = 50}\n"},
    {"crafted", cohorts + "strategy = \"scaffold\"\nattack = {name = \"alie\", malicious = 20}\n"},
};

class DeviceRounds : public ::testing::TestWithParam<Game> {};

TEST_P(DeviceRounds, HaveTheBitsOfTheHost) {
  if (this_machine().built_for_gpus) GTEST_SKIP() << "device forms do not run on host memory in a build with nvcc";
  const Federation parts = federation(GetParam().toml + images);
  const Played host = play(parts, 4);
  std::int64_t rejected = 0;
  for (const RoundRecord& record : host.records) rejected += record.rejected;
  EXPECT_EQ(rejected > 0, GetParam().name == "rejected");
  for (const Hands hands : {Hands{1, 1}, Hands{2, 1}, Hands{3, 1}, Hands{2, 2}}) {
    int branches = 0;
    const Played device = play_pretending(parts, 4, hands, branches);
    EXPECT_GE(branches, 8);  // at least two blocks are scanned in each of 4 rounds
    EXPECT_EQ(device.bits, host.bits) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
}

TEST_P(DeviceRounds, OnAGpuHaveTheSameBitsOnAnyRanks) {
  if (gpu_count() == 0) GTEST_SKIP() << "this machine has no GPU";
  const std::string toml = GetParam().toml + images;
  const Played host = play(federation("device = \"cpu\"\n" + toml), 4);
  const Federation parts = federation("device = \"cuda\"\n" + toml);
  ASSERT_TRUE(parts.task->layout().device.is_cuda());
  const Played one = play(parts, 4);
  for (const Hands hands : {Hands{2, 1}, Hands{3, 1}, Hands{2, 2}}) {
    EXPECT_EQ(play(parts, 4, hands).bits, one.bits) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
  // Matrix products add in another order on a GPU; the rounding errors grow over four rounds of a few dozen steps.
  EXPECT_TRUE(at::allclose(one.last().cpu(), host.last(), 1e-3, 1e-4));
}

INSTANTIATE_TEST_SUITE_P(Games, DeviceRounds, ::testing::ValuesIn(games),
                         [](const auto& info) { return info.param.name; });

// With one rank and thread, a sum of floats adds the clients in order, on the device as on the host.
TEST(DeviceRounds, FloatSumsOfOneRankHaveTheBitsOfTheHost) {
  if (this_machine().built_for_gpus) GTEST_SKIP() << "device forms do not run on host memory in a build with nvcc";
  const Federation parts = federation(cohorts + "aggregator = \"float_sum\"\n" + images);
  int branches = 0;
  const Played device = play_pretending(parts, 3, {1, 1}, branches);
  EXPECT_EQ(device.bits, play(parts, 3).bits);
}

}  // namespace
}  // namespace shoal
