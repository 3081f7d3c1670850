// Does the report's section on studies of agents agree with their replicates? Pairs and winners by hand.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "experiments/report/agents.hpp"
#include "experiments/report/pairs.hpp"
#include "experiments/report/report.hpp"
#include "experiments/report/winner_map.hpp"
#include "tests/experiments/report/pages.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

ModelParameter outcome(const std::string& name, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {.name = name, .shape = {std::ssize(values)}, .values = {bytes.begin(), bytes.end()}};
}

// A cell whose replicates took `losses` sessions; the rows are in another order.
CellContents cell(const std::string& label, const std::string& config, const std::vector<double>& losses) {
  CellContents cell;
  cell.header = {.index = 0, .label = label, .seed = 1, .config = config, .provenance = {}};
  cell.header.provenance["metric"] = "sessions";
  cell.tables["replicates"].columns = {{"replicate", FieldType::integer, ""}, {"sessions", FieldType::real, ""}};
  double sum = 0;
  for (std::size_t i = losses.size(); i-- > 0;) {
    cell.tables["replicates"].add({static_cast<std::int64_t>(i), losses[i]});
    sum += losses[i];
  }
  cell.rounds.push_back({.round = 1});
  cell.measures.push_back({1, "sessions", sum / losses.size()});
  cell.result = CellResult{.status = "finished", .hash = "h", .rounds = 1};
  cell.model = {outcome("sessions", {1, 2, 3})};
  return cell;
}

std::string of(const std::string& objective, double false_positive = 0, double directive = 0.8,
               const std::string& more = "") {
  return fmt::format(
      "[objective]\nname = '{}'\n[judge]\nfalse_positive = {}\n[task]\nname = 'rules'\ndirective = {}\n{}", objective,
      false_positive, directive, more);
}

std::string section(const std::vector<CellContents>& cells) { return agent_section(summarize(cells)); }

TEST(Pairs, AreComparedByHand) {
  // Differences 1, -1, 3, 1: mean 1, squares of deviations 0, 4, 4, 0.
  std::vector<CellContents> cells = {cell("a", of("hybrid"), {10, 12, 14, 16}),
                                     cell("b", of("binary_rl"), {9, 13, 11, 15})};
  const std::vector<LabelSummary> summaries = summarize(cells);
  const Studies studies = studies_of(summaries);
  ASSERT_EQ(studies.settings.size(), 1);
  const PairedDifference d = paired_difference(studies.settings[0].arms[0], studies.settings[0].arms[1]);
  EXPECT_EQ(d.pairs, 4);
  EXPECT_DOUBLE_EQ(d.mean, 1);
  EXPECT_NEAR(d.deviation, std::sqrt(8.0 / 3), 1e-12);
  EXPECT_NEAR(d.half_width, 3.182446 * std::sqrt(8.0 / 3) / 2, 0.01);  // Student's t with 3 degrees of freedom
  EXPECT_FALSE(d.told_apart());
  EXPECT_EQ(d.needed(), 29);  // (1.959964 + 1.281552)^2 * 8 / 3 = 28.02
  EXPECT_THAT(section(cells), HasSubstr("<td>-1</td><td>1.63</td><td>-3.6 to 1.6</td><td>4</td><td>29</td>"));
  EXPECT_THAT(section(cells), HasSubstr("too few pairs to tell them apart"));

  // A replicate that one of them lacks, or whose loss is not finite, is no pair.
  cells[0].tables["replicates"].values[0] = 17;
  cells[1].tables["replicates"].values[3] = std::bit_cast<std::int64_t>(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(paired_difference(studies.settings[0].arms[0], studies.settings[0].arms[1]).pairs, 2);
}

TEST(Pairs, AreCountedForATestOfThisPower) {
  EXPECT_NEAR(pairs_needed(1, 1), 10.5074, 1e-4);  // 3.241516 squared, as in tables of sample sizes
  EXPECT_NEAR(pairs_needed(-2, 4), 4 * 10.5074, 1e-3);
  EXPECT_NEAR(pairs_needed(-1.64, 5.74), 128, 1);  // Hybrid - Binary RL of the reference; both rounded to 0.01
  EXPECT_TRUE(std::isinf(pairs_needed(0, 1)));
}

TEST(Pairs, HaveTheLimitsOfPublishedTables) {
  const std::pair<double, double> table[] = {{2, 4.3027}, {3, 3.1824}, {5, 2.5706}, {10, 2.2281}, {30, 2.0423}};
  for (const auto& [freedom, limit] : table) EXPECT_NEAR(student_limit(freedom), limit, 0.01 * limit) << freedom;
  EXPECT_NEAR(student_limit(1e9), 1.959964, 1e-6);
}

TEST(Pairs, NeedNoTestIfArmsAreEqual) {
  const std::string html = section({cell("a", of("hybrid"), {10, 12, 14}), cell("b", of("binary_rl"), {10, 12, 14})});
  EXPECT_THAT(html, HasSubstr("equal in every pair"));
}

std::vector<CellContents> grid() {
  std::vector<CellContents> cells;
  for (const double directive : {0.8, 0.2}) {
    for (const double false_positive : {0.0, 0.5}) {
      const std::string where = fmt::format("false_positive={}, directive={}, ", false_positive, directive);
      // Hybrid loses 20 with the bad judge; Combined 1 everywhere, and 5 where hints are rare.
      const double hybrid = 10 + 40 * false_positive, combined = 11 + (directive < 0.5 ? 5 : 0);
      const auto around = [](double x) { return std::vector<double>{x - 0.1, x, x + 0.2, x - 0.1}; };
      cells.push_back(cell(where + "hybrid", of("hybrid", false_positive, directive), around(hybrid)));
      cells.push_back(cell(where + "combined", of("combined", false_positive, directive),
                           {combined, combined, combined, combined}));
    }
  }
  return cells;
}

TEST(WinnerMap, NamesTheBestOfEachCell) {
  const std::vector<CellContents> cells = grid();
  const std::vector<LabelSummary> summaries = summarize(cells);
  const Studies studies = studies_of(summaries);
  const std::vector<WinnerMap> maps = winner_maps(studies);
  ASSERT_EQ(maps.size(), 1);
  EXPECT_EQ(maps[0].false_positive, (std::vector<double>{0, 0.5}));
  EXPECT_EQ(maps[0].directive, (std::vector<double>{0.2, 0.8}));
  const auto winner = [&](std::size_t d, std::size_t p) { return maps[0].cells[d][p]; };
  EXPECT_EQ(winner(1, 0).arm->name, "hybrid");
  EXPECT_NEAR(winner(1, 0).loss, 10, 1e-12);
  EXPECT_TRUE(winner(1, 0).told_apart);  // by 1 with a deviation of 0.14 over 4 pairs
  EXPECT_EQ(winner(1, 1).arm->name, "combined");
  EXPECT_EQ(winner(1, 1).second->name, "hybrid");
  EXPECT_EQ(winner(0, 0).arm->name, "hybrid");
  EXPECT_EQ(winner(0, 1).arm->name, "combined");
  EXPECT_NEAR(winner(0, 1).loss, 16, 1e-12);
  const std::string html = section(cells);
  // 0.5 is nearer to 0.37 than 0.
  EXPECT_THAT(html, HasSubstr("the framed cell (0.5, 0.8) is the nearest here. combined leads there with 11.00, before "
                              "hybrid with 30.00."));
  EXPECT_EQ(count(html, "class=\"here\""), 1);
  EXPECT_EQ(count(html, "<rect class=\"tile"), 4 + 2);  // cells, legend
}

TEST(WinnerMap, NeedsAWholeGrid) {
  std::vector<CellContents> cells = grid();
  cells.resize(6);  // one setting is missing
  const std::vector<LabelSummary> summaries = summarize(cells);
  const Studies studies = studies_of(summaries);
  EXPECT_TRUE(winner_maps(studies).empty());
}

TEST(WinnerMap, ShowsWhatIsTooClose) {
  std::vector<CellContents> cells = grid();
  cells[1] = cell(cells[1].header.label, cells[1].header.config, {9, 11.2, 9, 11.2});  // Combined: 10.1, all over
  const std::string html = section(cells);
  EXPECT_EQ(count(html, "<rect class=\"tile close"), 1);
  EXPECT_THAT(html, HasSubstr("≈ 10.0"));
}

TEST(AgentSection, DrawsOutcomesOfTheRuns) {
  std::vector<CellContents> cells = {cell("p_fp 0, hybrid", of("hybrid"), {3, 4, 5}),
                                     cell("p_fp 0, binary_rl", of("binary_rl"), {4, 5, 7}),
                                     cell("no learning, hybrid", of("hybrid", 0, 0.8, "rate = 0\n"), {70, 60, 50})};
  for (CellContents& c : cells) c.model.push_back(outcome("survival", {1, 1, 1, 0.5F, 0}));
  cells[0].model.push_back(outcome("staleness", {6, 2, 0, 0, 0, 0, 0, 0}));
  cells[0].model.push_back(outcome("dropped_too_old", {0.25F}));
  cells[0].model.push_back(outcome("idle_judge", {0.75F}));
  const std::string html = section(cells);
  expect_drawable(html);
  EXPECT_EQ(count(html, "<svg class=\"chart\""), 3);  // survival twice, staleness once
  EXPECT_THAT(html, HasSubstr("not yet content three times in a row <span>(p_fp 0)</span>"));
  EXPECT_THAT(html, HasSubstr("<th>dropped<br>too<br>old</th>"));
  EXPECT_THAT(html, HasSubstr("<td>0.25</td>"));
  EXPECT_THAT(html, HasSubstr("<th>idle<br>judge</th>"));
  EXPECT_THAT(html, HasSubstr("Without learning (label no learning, hybrid) the loss is 60"));
  // The line without learning is in the picture of arms that learn, not twice in its own.
  EXPECT_EQ(count(html, "<g><title>no learning</title>"), 1);
  EXPECT_THAT(html, Not(HasSubstr("rule_rate")));
}

TEST(AgentSection, ComparesLabelsOfOneObjective) {
  std::vector<CellContents> cells;
  for (const char* way : {"barrier", "swap", "pause"}) {
    const double losses = way[0] == 's' ? 5 : 6;
    cells.push_back(cell(way, of("hybrid", 0, 0.8, fmt::format("[pipeline]\nhand_over = '{}'\n", way)),
                         {losses, losses + 1, losses - 0.5}));
    cells.back().model = {outcome("sessions", {3, 4, 5, 6, 12}), outcome("survival", {1, 0}), outcome("gave_up", {2})};
  }
  const std::string html = section(cells);
  EXPECT_EQ(count(html, "<svg class=\"chart\""), 1);  // with a line for each
  EXPECT_EQ(count(html, " &minus; "), 3);
  EXPECT_THAT(html, HasSubstr("<td>6 (3 to 12)</td>"));
  EXPECT_THAT(html, HasSubstr("<th>gave<br>up</th>"));
}

TEST(AgentSection, NeedsNoOutcomes) {
  CellContents unfinished = cell("a, hybrid", of("hybrid"), {1, 2, 3});
  unfinished.result.reset();
  unfinished.model.clear();
  unfinished.tables.clear();
  unfinished.measures.clear();
  unfinished.rounds.clear();
  CellContents strange = cell("a, binary_rl", of("binary_rl"), {1, 2, 3});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  strange.model = {outcome("survival", {nan, nan}), outcome("kl", {}), outcome("rule_rate", {0.5F}),
                   outcome("staleness", {0, 0})};
  expect_drawable(section({unfinished, strange}));
  expect_drawable(section({unfinished}));
  EXPECT_EQ(section({cell("a", "[task]\nname = 'quadratic'\n", {1})}), "");
}

TEST(AgentSection, ReplacesCurvesAgainstRounds) {
  const ReportedRun run{"a.h5", {.info = {"rules", "0.1.0"}, .hash = "cafe", .cells = grid()}};
  const std::string html = report_page(std::span(&run, 1));
  EXPECT_THAT(html, HasSubstr("<h2>Agents</h2>"));
  EXPECT_THAT(html, Not(HasSubstr("<h2>Curves</h2>")));
}

}  // namespace
}  // namespace shoal
