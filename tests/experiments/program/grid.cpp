// Does [grid] give every combination, in order, under the names that a table needs?

#include "experiments/program/run/grid.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Cell> cells(const std::string& toml) { return expand_grid(Settings::parse(toml, "a.toml")); }

std::vector<std::string> labels(const std::vector<Cell>& cells) {
  std::vector<std::string> all;
  for (const Cell& cell : cells) all.push_back(cell.label);
  return all;
}

std::vector<std::int64_t> seeds(const std::vector<Cell>& cells) {
  std::vector<std::int64_t> all;
  for (const Cell& cell : cells) all.push_back(cell.seed);
  return all;
}

// read(settings) of every cell.
template <class Read>
auto values(const std::vector<Cell>& cells, const Read& read) {
  std::vector<decltype(read(cells[0].settings))> all;
  for (const Cell& cell : cells) all.push_back(read(cell.settings));
  return all;
}

std::string strategy_name(const Settings& s) { return s.section("strategy").text("name", "fed_avg", "m"); }
double mu(const Settings& s) { return s.section("strategy").number("mu", -1, "m"); }
double rate(const Settings& s) { return s.section("local").number("rate", -1, "m"); }

std::string error_of(const std::string& toml) {
  try {
    cells(toml);
  } catch (const UserError& error) {
    return error.what();
  }
  return "(none)";
}

TEST(Grid, IsOneCellWithoutAGrid) {
  const std::vector<Cell> all = cells("seed = 7\nstrategy = {name = \"scaffold\", rate = 0.5}\n");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].index, 0);
  EXPECT_EQ(all[0].seed, 7);
  EXPECT_EQ(all[0].label, "scaffold");
  const std::vector<Cell> bare = cells("rounds = 3");
  EXPECT_EQ(bare[0].label, "fed_avg");
  EXPECT_EQ(bare[0].seed, 1);
}

TEST(Grid, VariesTheFirstKeySlowest) {
  const std::vector<Cell> all =
      cells("[grid]\nstrategy = [\"fed_avg\", \"scaffold\"]\nlocal.rate = [0.1, 0.2, 0.3]\nseed = [5, 6]\n");
  ASSERT_EQ(all.size(), 12U);
  for (std::int64_t i = 0; i < std::ssize(all); ++i) EXPECT_EQ(all[i].index, i);
  EXPECT_THAT(labels(all),
              ElementsAre("fed_avg, rate=0.1", "fed_avg, rate=0.1", "fed_avg, rate=0.2", "fed_avg, rate=0.2",
                          "fed_avg, rate=0.3", "fed_avg, rate=0.3", "scaffold, rate=0.1", "scaffold, rate=0.1",
                          "scaffold, rate=0.2", "scaffold, rate=0.2", "scaffold, rate=0.3", "scaffold, rate=0.3"));
  EXPECT_THAT(seeds(all), ElementsAre(5, 6, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6));
  EXPECT_THAT(values(all, rate), ElementsAre(0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3));
  EXPECT_THAT(values({all[0], all[5], all[6], all[11]}, strategy_name),
              ElementsAre("fed_avg", "fed_avg", "scaffold", "scaffold"));
}

// Cells of one label are averaged over their seeds.
TEST(Grid, LeavesSeedsOutOfTheLabel) {
  const std::vector<Cell> all = cells("[grid]\nseed = [1, 2, 3]\n");
  EXPECT_THAT(labels(all), ElementsAre("fed_avg", "fed_avg", "fed_avg"));
  EXPECT_THAT(seeds(all), ElementsAre(1, 2, 3));
  EXPECT_THAT(values(all, [](const Settings& s) { return s.integer("seed", 0, "m"); }), ElementsAre(1, 2, 3));
}

TEST(Grid, ReplacesWholeSectionsAndSingleKeys) {
  const std::vector<Cell> sections = cells(
      "strategy = {name = \"fed_prox\", mu = 9}\n[grid]\nstrategy = [\"fed_avg\", {name = \"fed_prox\", mu = 0.1}]\n");
  EXPECT_THAT(labels(sections), ElementsAre("fed_avg", "fed_prox, mu=0.1"));
  EXPECT_THAT(values(sections, mu), ElementsAre(-1, 0.1));  // mu = 9 belonged to the section that was replaced
  const std::vector<Cell> keys =
      cells("strategy = {name = \"fed_prox\", mu = 9}\n[grid]\n\"strategy.mu\" = [0.1, 1]\n");
  EXPECT_THAT(labels(keys), ElementsAre("mu=0.1", "mu=1"));
  EXPECT_THAT(values(keys, mu), ElementsAre(0.1, 1));
  EXPECT_THAT(values(keys, strategy_name), ElementsAre("fed_prox", "fed_prox"));
  const std::vector<Cell> names =
      cells("strategy = {name = \"fed_prox\", mu = 9}\n[grid]\nstrategy.name = [\"scaffold\"]\n");
  EXPECT_THAT(labels(names), ElementsAre("scaffold"));
  EXPECT_THAT(values(names, mu), ElementsAre(-1));
}

TEST(Grid, ChangesSeveralKeysByVariants) {
  const std::vector<Cell> all = cells(
      "local.rate = 7\n[grid]\nvariants = [\n"
      "  {strategy = \"fed_avg\"},\n"
      "  {strategy = {name = \"fed_prox\", mu = 0.5}, local.rate = 0.1},\n"
      "  {strategy = {name = \"fed_prox\", mu = 2}, label = \"strong pull\"},\n"
      "  {local.rate = 0.2, rounds = 5},\n"
      "]\nseed = [1, 2]\n");
  ASSERT_EQ(all.size(), 8U);
  EXPECT_THAT(labels({all[0], all[2], all[4], all[6]}),
              ElementsAre("fed_avg", "fed_prox", "strong pull", "rate=0.2, rounds=5"));
  EXPECT_THAT(values({all[0], all[2], all[4], all[6]}, mu), ElementsAre(-1, 0.5, 2, -1));
  EXPECT_THAT(values({all[0], all[2], all[4], all[6]}, rate), ElementsAre(7, 0.1, 7, 0.2));
  for (const Cell& cell : all) EXPECT_FALSE(cell.settings.has("label"));
}

// Keys that a grid sets must still be read, and keys that it does not set stay.
TEST(Grid, MakesIndependentUnreadCells) {
  const std::vector<Cell> all = cells("name = \"x\"\n[grid]\nlocal.rate = [0.1, 0.2]\n");
  for (const Cell& cell : all) {
    EXPECT_FALSE(cell.settings.has("grid"));
    EXPECT_EQ(cell.settings.clone().text("name", "", "m"), "x");
    EXPECT_THROW(cell.settings.finish(), UserError);
  }
  EXPECT_EQ(rate(all[0].settings), 0.1);
  EXPECT_EQ(rate(all[1].settings), 0.2);
}

TEST(Grid, RefusesWhatIsNoListOfValues) {
  EXPECT_EQ(error_of("[grid]\nseed = []\n"),
            "[grid]: 'seed' is an empty list, so there is nothing to run. Give it a value.");
  EXPECT_EQ(error_of("[grid]\nseed = 3\n"), "[grid]: 'seed' must be a list of values (found 3). Write [3].");
  EXPECT_EQ(error_of("[grid]\nstrategy = \"fed_avg\"\n"),
            "[grid]: 'strategy' must be a list of values (found \"fed_avg\"). Write [\"fed_avg\"].");
  EXPECT_THAT(error_of("[grid]\nvariants = [\"fed_avg\"]\n"),
              HasSubstr("a variant is a table of keys (found \"fed_avg\")"));
  EXPECT_THAT(error_of("grid = 3\n"), HasSubstr("'grid'"));
  EXPECT_THAT(error_of("[grid]\nseed = [\"one\"]\n"), HasSubstr("'seed'"));
  EXPECT_THAT(error_of("[grid]\nseed = [-1]\n"), HasSubstr("'seed'"));
}

TEST(Grid, RefusesTwoValuesOfOneName) {
  EXPECT_EQ(error_of("[grid]\nlocal.rate = [0.1, 0.2, 0.1]\n"),
            "[grid]: two values of 'local.rate' are both called 'rate=0.1'. Remove one, or give variants a 'label' "
            "that tells them apart.");
  const std::string twins =
      "[grid]\nvariants = [{strategy = {name = \"fed_prox\", mu = 1}}, "
      "{strategy = {name = \"fed_prox\", mu = 2}";
  EXPECT_THAT(error_of(twins + "}]\n"), HasSubstr("two values of 'variants' are both called 'fed_prox'"));
  EXPECT_EQ(error_of(twins + ", label = \"other\"}]\n"), "(none)");
}

TEST(Grid, RefusesMoreThanTwentyThousandCells) {
  std::string list = "0";
  for (int i = 1; i < 142; ++i) list += fmt::format(",{}", i);
  EXPECT_EQ(error_of("[grid]\nseed = [" + list + "]\nrounds = [" + list + "]\n"),
            "[grid]: more than 20000 cells. Shorten the lists.");
  EXPECT_EQ(error_of("[grid]\nseed = [1,2,3]\nrounds = [1,2,3]\n"), "(none)");
}

std::string overridden(const std::string& toml, const std::string& key) {
  try {
    refuse_overridden(Settings::parse(toml, "a.toml"), key);
  } catch (const UserError& error) {
    return error.what();
  }
  return "(none)";
}

TEST(Grid, RefusesSettingsWithoutEffect) {
  const std::string grid = "[grid]\nstrategy = [\"fed_avg\", {name = \"fed_prox\", mu = 1}]\nseed = [1, 2]\n";
  EXPECT_EQ(overridden(grid, "strategy"),
            "--set strategy: [grid] sets it in every cell, so this has no effect. Change 'grid.strategy' instead.");
  EXPECT_THAT(overridden(grid, "strategy.name"), HasSubstr("in every cell"));
  EXPECT_THAT(overridden(grid, "strategy.mu"), HasSubstr("in every cell"));
  EXPECT_THAT(overridden(grid, "seed"), HasSubstr("'grid.seed'"));
  EXPECT_EQ(overridden(grid, "rounds"), "(none)");
  EXPECT_EQ(overridden(grid, "grid.seed"), "(none)");
  EXPECT_EQ(overridden("rounds = 3\n", "strategy"), "(none)");
  const std::string variants =
      "[grid]\nvariants = [{strategy = \"fed_avg\"}, {strategy = \"scaffold\", local.rate = 1}]\n";
  EXPECT_EQ(overridden(variants, "local.rate"), "(none)");  // it holds in the first variant
  EXPECT_THAT(overridden(variants, "strategy"), HasSubstr("'grid.variants'"));
  EXPECT_EQ(overridden("[grid]\n\"planner.dropout\" = [0, 0.1]\n", "planner.cohort"), "(none)");
  EXPECT_THAT(overridden("[grid]\n\"planner.dropout\" = [0, 0.1]\n", "planner.dropout"), HasSubstr("in every cell"));
}

}  // namespace
}  // namespace shoal
