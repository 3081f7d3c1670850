// Does a federation hand FedLAW the rows of its clients, on any ranks, and refuse what does not fit?
#include <gmock/gmock.h>

#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::string experiment(const std::string& strategy, const std::string& more = "", const char* local = "batch = 0\n") {
  return fmt::format(
      "data = {{name = \"optdigits\", server = 100}}\nmodel = {{name = \"mlp\", widths = [7]}}\n"
      "partition = {{name = \"dirichlet\", clients = 5, minimum = 10}}\nplanner = {{cohort = 5}}\nstrategy = {}\n{}"
      "[local]\nsteps = 3\nrate = 0.2\n{}",
      strategy, more, local);
}

TEST(FedLaw, WithoutEpochsIsFedAvgOfRowsInBits) {
  const at::Tensor none = play(federation(experiment("{name = \"fed_law\", epochs = 0}")), 3).last();
  const at::Tensor rows = play(federation(experiment("\"fed_avg\"", "aggregator = \"kept_rows\"\n")), 3).last();
  EXPECT_TRUE(at::equal(none, rows));
}

TEST(FedLaw, LowersTheLossOnTheServersExamples) {
  const auto loss = [](const std::string& strategy) {
    const Federation parts = federation(experiment(strategy));
    const at::Tensor model = play(parts, 1).last();
    double found = 0;
    run_on_threads(1, [&](Communicator& comm) {
      Trainers trainers(*parts.task, 1);
      found = evaluate(model, "server", *parts.task, comm, trainers).mean_loss();
    });
    return found;
  };
  EXPECT_LT(loss("\"fed_law\""), loss("\"fed_avg\"") - 0.01);
}

TEST(FedLaw, HasTheSameBitsOnAnyRanks) {
  const Federation parts =
      federation(experiment("{name = \"fed_law\", epochs = 4, batch = 30}", "", "batch = 5\nblock = 2\n"));
  const Played one = play(parts, 3);
  for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    EXPECT_EQ(play(parts, 3, hands).bits, one.bits);
  }
}

TEST(FedLaw, SaysWhatItCannotBeUsedWith) {
  EXPECT_THAT(refusal(experiment("\"fed_law\"", "aggregator = \"exact_sum\"\n")), testing::HasSubstr("kept_rows"));
  EXPECT_THAT(refusal(experiment("\"fed_law\"", "stages = [\"clip\", \"gaussian\"]\n")), testing::HasSubstr("noise"));
  EXPECT_THAT(refusal("task = \"quadratic\"\nstrategy = \"fed_law\"\n"), testing::HasSubstr("Set 'server' of [data]"));
}

}  // namespace
}  // namespace shoal
