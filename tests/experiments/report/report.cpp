// Does the report show the numbers of the runs, on a page that no label can break?
#include "experiments/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "experiments/program/table.hpp"
#include "experiments/report/axis.hpp"
#include "experiments/report/curve.hpp"
#include "experiments/report/html.hpp"
#include "sim/error.hpp"
#include "tests/experiments/report/pages.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string config = "[evaluate]\ntarget = 0.9\n";

// A cell evaluated at rounds 10, 20, ... with these accuracies; a round takes a virtual second and uploads 1 kB.
CellContents cell(std::int64_t index, const std::string& label, const std::vector<double>& accuracies,
                  const std::string& status = "finished") {
  CellContents cell;
  cell.header = {.index = index, .label = label, .seed = index + 1, .config = config};
  CellResult result{.status = status, .hash = "h" + std::to_string(index)};
  for (std::int64_t i = 0; i < std::ssize(accuracies); ++i) {
    const double accuracy = accuracies[i];
    RoundRow row{.round = 10 * (i + 1), .time_us = 10'000'000 * (i + 1), .bytes_down = 20'000, .bytes_up = 10'000};
    row.accuracy = accuracy;
    row.loss = 1 - accuracy;
    cell.rounds.push_back(row);
    result.rounds = row.round;
    result.bytes_up += row.bytes_up;
    result.bytes_down += row.bytes_down;
    result.final_accuracy = accuracy;
    result.final_loss = row.loss;
    result.best_accuracy = std::fmax(result.best_accuracy, accuracy);
    if (accuracy >= 0.9 && result.rounds_to_target < 0) {
      result.rounds_to_target = row.round;
      result.time_to_target_us = row.time_us;
    }
  }
  if (status != "unfinished") cell.result = result;
  return cell;
}

RunContents run(std::vector<CellContents> cells) {
  return {.info = {"digits", "0.1.0"}, .hash = "cafe", .cells = std::move(cells)};
}

std::string page(std::vector<CellContents> cells) {
  const ReportedRun reported{"a.h5", run(std::move(cells))};
  return report_page(std::span(&reported, 1));
}

TEST(Report, ShowsNumbersComputedByHand) {
  // 0.92, 0.94, 0.96: mean 0.94, sample deviation 0.02. Two of three reach 90 % at round 20, one at round 10.
  const std::string html =
      page({cell(0, "a", {0.5, 0.92}), cell(1, "a", {0.95, 0.94}), cell(2, "a", {0.7, 0.96}), cell(3, "b", {0.5})});
  EXPECT_THAT(html, HasSubstr("<td>94.00<span class=\"pm\"> ± 2.00</span> %</td>"));  // final
  EXPECT_THAT(html, HasSubstr("<td>94.33<span class=\"pm\"> ± 2.08</span> %</td>"));  // best: 0.92, 0.95, 0.96
  EXPECT_THAT(html, HasSubstr("<td>0.060<span class=\"pm\"> ± 0.020</span></td>"));   // loss: 0.08, 0.06, 0.04
  EXPECT_THAT(html, HasSubstr("<td>17 (3 of 3)</td><td>17 s (3 of 3)</td>"));         // (20 + 10 + 20) / 3
  EXPECT_THAT(html, HasSubstr("<td>50.00 %</td>"));                                   // one seed: no deviation
  EXPECT_THAT(html, HasSubstr("not reached"));
  EXPECT_THAT(html, HasSubstr("<td>40.0 kB</td><td>20.0 kB</td>"));
  EXPECT_THAT(html, HasSubstr("to 90 %"));
  EXPECT_THAT(html, HasSubstr("<h1>digits</h1>"));
  EXPECT_THAT(html, HasSubstr("cafe"));
  EXPECT_THAT(html, HasSubstr("target = 0.9"));
}

TEST(Report, HasTheNumbersOfTheTable) {
  const std::vector<CellContents> cells = {cell(0, "a", {0.5, 0.92}), cell(1, "a", {0.95, 0.94})};
  const std::string table = comparison_table(cells);
  EXPECT_THAT(table, HasSubstr("93.00 ± 1.41 %"));
  EXPECT_THAT(page(cells), HasSubstr("93.00<span class=\"pm\"> ± 1.41</span> %"));
}

TEST(Report, NamesFailures) {
  CellContents hurt = cell(1, "a", {0.5}, "diverged");
  hurt.result->rejected = 2;
  hurt.rounds.push_back({.round = 11, .verdict = 1});
  hurt.rounds.push_back({.round = 12, .verdict = 2});
  const std::vector<CellContents> cells = {cell(0, "a", {0.5, 0.6}), hurt, cell(2, "a", {0.7}, "unfinished")};
  const std::string html = page(cells);
  EXPECT_THAT(html, HasSubstr("<td class=\"alarm\">1 diverged, 1 unfinished</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"alarm\">0.67</td><td class=\"alarm\">0.33</td>"));  // rejected, abandoned
  EXPECT_THAT(html, HasSubstr("class=\"cross c0\""));
  EXPECT_THAT(html, HasSubstr("class=\"line faint c0 d0\""));
  const std::string table = comparison_table(cells);
  EXPECT_THAT(table, HasSubstr("1 diverged, 1 unfinished"));
  EXPECT_THAT(table, HasSubstr("abandoned"));
  EXPECT_THAT(table, HasSubstr("60.00 ± 10.00 %"));  // 0.6, 0.5, and 0.7 so far
}

TEST(Report, EscapesLabels) {
  const std::string label = "<script>alert(\"1\")</script> & 'x' \x01 \xff";
  const std::string html = page({cell(0, label, {0.5, 0.6})});
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39; \uFFFD \uFFFD"));
  EXPECT_EQ(escaped("µ ± 漢 😀\n\t"), "µ ± 漢 😀\n\t");
  // Overlong, surrogate, too large, cut off.
  EXPECT_EQ(escaped("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(escaped("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(escaped("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(escaped("a\xE2\x82"), "a\uFFFD\uFFFD");
}

TEST(Report, DrawsWellFormedCharts) {
  const std::string html = page({cell(0, "a <\"&", {0.5, 0.92}), cell(1, "a <\"&", {0.95, 0.94}), cell(2, "b", {0.1}),
                                 cell(3, "c", {0.2, 0.3, std::numeric_limits<double>::infinity()}, "diverged")});
  EXPECT_EQ(count(html, "<svg class=\"chart\""), 4);
  expect_drawable(html);
  EXPECT_EQ(count(html, "http"), count(html, "xmlns=\"http://www.w3.org/2000/svg\""));  // nothing is loaded
}

TEST(Report, DrawsTheLossIfThereIsNoAccuracy) {
  CellContents quadratic = cell(0, "a", {0.5, 0.9});
  for (RoundRow& row : quadratic.rounds) row.accuracy = not_measured;
  quadratic.result->final_accuracy = quadratic.result->best_accuracy = not_measured;
  const std::string html = page({quadratic});
  EXPECT_EQ(count(html, "<svg class=\"chart\""), 3);
  EXPECT_THAT(html, Not(HasSubstr("ccuracy against")));
}

TEST(Report, TellsRunsApart) {
  const std::vector<ReportedRun> runs = {{"x/one.h5", run({cell(0, "a", {0.5}), cell(1, "b", {0.5})})},
                                         {"x/two.h5", run({cell(0, "a", {0.6})})}};
  const std::vector<LabelSummary> summaries = summarize_runs(runs);
  ASSERT_EQ(summaries.size(), 3);
  EXPECT_EQ(summaries[0].label, "one: a");
  EXPECT_EQ(summaries[1].label, "b");
  EXPECT_EQ(summaries[2].label, "two: a");
  EXPECT_EQ(summaries[2].final_accuracy.mean, 0.6);
  const std::vector<ReportedRun> same_name = {{"x/run.h5", run({cell(0, "a", {0.5})})},
                                              {"y/run.h5", run({cell(0, "a", {0.6})})}};
  EXPECT_EQ(summarize_runs(same_name)[1].label, "y/run.h5: a");
  EXPECT_THAT(report_page(runs), HasSubstr("from 2 run files"));
}

TEST(Report, NeedsACell) { EXPECT_THROW(page({}), UserError); }

TEST(Report, IsTheSameForTheSameRuns) { EXPECT_EQ(page({cell(0, "a", {0.5, 0.9})}), page({cell(0, "a", {0.5, 0.9})})); }

TEST(Curve, AveragesSeedsAtCommonPoints) {
  std::vector<CellContents> cells = {cell(0, "a", {0.2, 0.4, 0.6}), cell(1, "a", {0.4, 0.8, 0.8})};
  const Curve rounds = curve(summarize(cells)[0], Measure::accuracy, Against::rounds);
  ASSERT_EQ(rounds.points.size(), 3);
  EXPECT_EQ(rounds.points[1].x, 20);
  EXPECT_DOUBLE_EQ(rounds.points[1].mean, 0.6);
  EXPECT_EQ(rounds.points[1].low, 0.4);
  EXPECT_EQ(rounds.points[1].high, 0.8);
  EXPECT_EQ(curve(summarize(cells)[0], Measure::accuracy, Against::bytes_up).points[2].x, 30'000);

  for (RoundRow& row : cells[1].rounds) row.time_us += 5'000'000;  // 15, 25, 35 s beside 10, 20, 30 s
  const Curve times = curve(summarize(cells)[0], Measure::accuracy, Against::virtual_seconds);
  ASSERT_EQ(times.points.size(), 4);  // 15, 20, 25, 30: where both finished seeds have values
  EXPECT_EQ(times.points[0].x, 15);
  EXPECT_NEAR(times.points[0].mean, (0.3 + 0.4) / 2, 1e-12);
  EXPECT_NEAR(times.points[1].mean, (0.4 + 0.6) / 2, 1e-12);
}

TEST(Curve, ContinuesAfterASeedDiverged) {
  const std::vector<CellContents> cells = {cell(0, "a", {0.2, 0.4, 0.6}), cell(1, "a", {0.4}, "diverged")};
  const Curve c = curve(summarize(cells)[0], Measure::accuracy, Against::rounds);
  ASSERT_EQ(c.points.size(), 3);
  EXPECT_EQ(c.points[0].seeds, 2);
  EXPECT_EQ(c.points[1].seeds, 1);
  EXPECT_EQ(c.points[2].mean, 0.6);
  ASSERT_EQ(c.diverged.size(), 1);
  EXPECT_EQ(c.diverged[0].x, 10);
}

TEST(Axis, HasNiceTicks) {
  const auto labels = [](const Axis& axis) {
    std::string text;
    for (const Tick& tick : axis.ticks) text += tick.label + " ";
    return text;
  };
  EXPECT_EQ(labels(rounded_axis(81.3, 96.2, 6)), "80 82 84 86 88 90 92 94 96 98 ");
  EXPECT_EQ(labels(fitted_axis(0, 200, 6)), "0 50 100 150 200 ");
  EXPECT_EQ(labels(rounded_axis(-0.013, 0.021, 6)), "-0.015 -0.010 -0.005 0.000 0.005 0.010 0.015 0.020 0.025 ");
  EXPECT_EQ(labels(logarithmic_axis(0.002, 300, 6)), "0.001 0.01 0.1 1 10 100 1000 ");
  EXPECT_EQ(logarithmic_axis(0.01, 100, 6).position(1), 0.5);
  EXPECT_FALSE(rounded_axis(5, 5, 6).ticks.empty());
  EXPECT_FALSE(rounded_axis(0, 0, 6).ticks.empty());
}

}  // namespace
}  // namespace shoal
