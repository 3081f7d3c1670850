// Can the rounds be planned of strategies with groups, first exchanges, rows for clients and models of several sizes?
#include <gtest/gtest.h>

#include "experiments/program/plan/plan.hpp"
#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

Settings settings(const std::string& strategy) {
  return Settings::parse(
      fmt::format("rounds = 3\nstrategy = \"{}\"\nmodel = {{name = \"mlp\", widths = [8]{}}}\n"
                  "data = {{name = \"synthetic\", examples = 200, test_examples = 20, features = 9, classes = 4}}\n"
                  "partition = {{name = \"iid\", clients = 20}}\nplanner = {{cohort = 8}}\n"
                  "local = {{epochs = 2, batch = 5, block = 3}}\n",
                  strategy, strategy == "hetero_fl" ? ", shrink = [1, 0.5]" : ""),
      "test");
}

TEST(PlanOfGroups, CountsWhatARunSends) {
  for (const char* strategy : {"ifca", "mime", "fed_amp", "hetero_fl"}) {
    const std::vector<CellPlan> cells = plan_experiment(settings(strategy), {});
    ASSERT_EQ(cells.size(), 1U);
    const RoundsPlan& planned = cells[0].rounds;
    const test::Played played = test::play(test::composed(settings(strategy)).federation, 3);
    std::int64_t down = 0, up = 0, protocol = 0;
    for (const RoundRecord& record : played.records) {
      for (const ClientRow& row : record.clients) {
        up += row.figures.bytes_up;
        down += row.bytes_down;
      }
    }
    // The bytes of a first exchange belong to the protocol, which a plan does not count.
    if (std::string_view(strategy) == "mime") protocol = 3 * 8 * 4 * cells[0].parameters;
    EXPECT_EQ(planned.bytes_down, down - protocol) << strategy;
    EXPECT_EQ(planned.bytes_up, up - protocol) << strategy;
    EXPECT_GT(cells[0].measured.client.seconds_per_flop + cells[0].measured.client.fixed_seconds, 0) << strategy;
  }
}

}  // namespace
}  // namespace shoal
