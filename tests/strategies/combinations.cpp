// Do parts that are correct alone stay correct together, and are wrong combinations refused?

#include <gmock/gmock.h>

#include "sim/task/task.hpp"
#include "tests/sim/round/rounds.hpp"

namespace shoal::test {
namespace {

using ::testing::HasSubstr;

const std::string small =
    "task = {name = \"quadratic\", clients = 20, dimension = 4}\nlocal = {steps = 2, rate = 0.1}\n";

TEST(Combinations, RefuseScaffoldWithMomentum) {
  EXPECT_THAT(refusal("strategy = \"scaffold\"\nlocal = {momentum = 0.9}\n" + small.substr(0, small.find('\n') + 1)),
              HasSubstr("momentum of 0.9 with scaffold"));
}

TEST(Combinations, RefuseAMedianOfCounts) {
  EXPECT_THAT(refusal("aggregator = \"median\"\nstages = [\"adaptive_clip\"]\n" + small), HasSubstr("needs one"));
  EXPECT_EQ(refusal("aggregator = \"median\"\nstages = [\"clip\"]\n" + small), "accepted");
}

TEST(Combinations, RefuseRulesWithoutRows) {
  EXPECT_THAT(refusal("rules = [\"krum\"]\naggregator = \"exact_sum\"\n" + small),
              HasSubstr("'krum' compares the clients' updates, and the aggregator 'exact_sum' does not give them"));
  EXPECT_THAT(refusal("attack = \"alie\"\naggregator = \"median\"\n" + small), HasSubstr("'alie' compares"));
  EXPECT_EQ(refusal("attack = \"sign_flip\"\naggregator = \"median\"\n" + small), "accepted");
  EXPECT_EQ(refusal("rules = [\"krum\"]\naggregator = {bound = 10}\n" + small), "accepted");
  EXPECT_EQ(refusal("rules = [\"krum\"]\nstages = [\"adaptive_clip\"]\n" + small), "accepted");
}

TEST(Combinations, RefuseRulesThatDoNotExist) {
  EXPECT_THAT(refusal("rules = [\"nnm\", \"krumm\"]\n" + small),
              HasSubstr("there is no rule called 'krumm'. The nearest is 'krum'"));
  EXPECT_THAT(refusal("attack = \"a_little\"\n" + small), HasSubstr("there is no attack called 'a_little'"));
  EXPECT_THAT(refusal("rules = [{name = \"krum\", most = 2}]\n" + small), HasSubstr("most"));
}

TEST(Combinations, RefuseNoiseForAMeanThatRulesDoNotGive) {
  EXPECT_THAT(refusal("rules = [\"krum\"]\nstages = [\"gaussian\"]\n" + small), HasSubstr("which rules do not give"));
}

TEST(Combinations, RefuseRulesAndAttacksWithoutAServer) {
  for (const std::string part : {"rules = [\"krum\"]", "attack = \"sign_flip\""}) {
    EXPECT_THAT(refusal(fmt::format("{}\ntopology = \"ring\"\n{}", part, small)), HasSubstr("beside 'topology'"));
  }
}

TEST(Combinations, RefuseAScheduleThatChangesNothing) {
  EXPECT_THAT(refusal("local = {schedule = \"step\"}\n" + small.substr(0, small.find('\n') + 1)),
              HasSubstr("decay of 1"));
}

// Stale updates have weights that are not integers. The sum must keep updates of 1e-6: the exact sum agrees with the
// float sum (here in float64, on one rank) to a small fraction of their size.
TEST(Combinations, KeepSmallStaleUpdatesInTheExactSum) {
  const auto moved = [](const char* aggregator) {
    const Federation parts = federation(fmt::format(
        "aggregator = \"{}\"\nplanner = {{name = \"fed_buff\", concurrency = 12, buffer = 4}}\n"
        "population = {{speed_sigma = 1}}\nlocal = {{steps = 1, rate = 1e-6}}\n"
        "[task]\nname = \"quadratic\"\nclients = 40\ndimension = 3\nexamples = 600\nprecision = \"float64\"\n",
        aggregator));
    return numbers(play(parts, 12).last());
  };
  const std::vector<double> exact = moved("exact_sum"), inexact = moved("float_sum");
  for (std::size_t j = 0; j < exact.size(); ++j) {
    ASSERT_GT(std::abs(inexact[j]), 1e-9);
    EXPECT_NEAR(exact[j] / inexact[j], 1, 1e-5);
  }
}

// rate * lambda = 3: the personal model oscillates with growing amplitude until it is infinite. Such a client is
// rejected and counted, and its memory does not change.
TEST(Combinations, DoNotKeepPersonalModelsThatDiverge) {
  const Federation parts = federation(
      "planner = {cohort = 2}\nstrategy = {name = \"ditto\", lambda = 30}\nlocal = {steps = 400, rate = 0.1}\n"
      "task = {name = \"quadratic\", clients = 2, dimension = 2}\n");
  const Played played = play(parts, 2);
  EXPECT_EQ(played.records[0].rejected, 2);
  for (const auto& [client, record] : played.memory) {
    for (const at::Tensor& values : record) {
      if (values.defined()) {
        EXPECT_TRUE(at::isfinite(values).all().item<bool>()) << value(client);
      }
    }
  }
}

// 11 examples in batches of 10: an epoch has one step with 10 examples and one with 1.
TEST(Work, CountsTheExamplesThatAreVisited) {
  const ClientWork work{.examples = 11, .flops_per_example = 1};
  LocalSettings local;
  local.batch = 10;
  EXPECT_EQ(local_flops(work, local, 1), 11);
  local.epochs = 3;
  EXPECT_EQ(local_flops(work, local, 1), 33);
  local.steps = 3;  // one epoch and a full batch
  EXPECT_EQ(local_flops(work, local, 1), 21);
  local.batch = 0;
  EXPECT_EQ(local_flops(work, local, 1), 33);
  EXPECT_EQ(local_flops({.examples = 0, .flops_per_example = 1}, local, 1), 0);
}

// The virtual time of a round with negligible transfers: FedSGD computes one gradient whatever the number of steps,
// Ditto trains twice, and step programs take several gradients.
TEST(Work, FollowsTheStrategy) {
  const auto time = [](const char* strategy, const char* local) {
    const Federation parts =
        federation(fmt::format("strategy = \"{}\"\nplanner = {{cohort = 2}}\n{}"
                               "population = {{gflops = 1e-6, down_mbytes = 1e6, up_mbytes = 1e6}}\n"
                               "task = {{name = \"quadratic\", clients = 2, dimension = 10}}\n",
                               strategy, local));
    return value(play(parts, 1).records[0].time);
  };
  const char* local = "local = {steps = 50, rate = 0.01}\n";
  const double once = time("fed_avg", local);
  for (const char* twice : {"ditto", "fed_sam", "per_fed_avg"})
    EXPECT_NEAR(time(twice, local) / once, 2, 1e-3) << twice;
  EXPECT_NEAR(time("fed_sgd", "") / once, 1.0 / 50, 1e-3);
}

}  // namespace
}  // namespace shoal::test
