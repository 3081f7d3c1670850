// Does the comparison table show the right means and deviations, aligned, and the runs that failed?

#include "experiments/program/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace shoal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CellContents cell(const std::string& label, const CellResult& result, const std::string& config = "") {
  CellContents contents;
  contents.header.config = config;
  contents.header.label = label;
  contents.result = result;
  return contents;
}

CellResult accuracy(double last, double best) {
  return {.status = "finished", .final_accuracy = last, .best_accuracy = best, .final_loss = 0.5};
}

std::vector<std::string> lines(const std::vector<CellContents>& cells, std::size_t width = no_width_limit) {
  const std::string text = comparison_table(cells, width);
  EXPECT_TRUE(text.ends_with('\n'));
  std::istringstream in(text);
  std::vector<std::string> all;
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

// The columns of a line, which are three or more blanks apart.
std::vector<std::string> columns(const std::string& line) {
  std::vector<std::string> all;
  for (std::size_t at = line.find_first_not_of(' '); at != std::string::npos;) {
    const std::size_t end = line.find("   ", at);
    std::string column = line.substr(at, end == std::string::npos ? end : end - at);
    column.erase(column.find_last_not_of(' ') + 1);
    all.push_back(column);
    at = line.find_first_not_of(' ', end);
  }
  return all;
}

std::size_t letters(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) == 0x80 ? 0 : 1;
  return count;
}

// Final accuracies .9, .92, .97: mean .93, squares of deviations .0009 + .0001 + .0016, deviation sqrt(.0026 / 2) =
// .03606. Best .95, .95, .98: mean .96, deviation sqrt(.0006 / 2) = .01732.
TEST(Table, GivesMeanAndSampleDeviation) {
  const auto all = lines({cell("fed_avg", accuracy(0.9, 0.95)), cell("scaffold", accuracy(0.5, 0.5)),
                          cell("fed_avg", accuracy(0.92, 0.95)), cell("fed_avg", accuracy(0.97, 0.98))});
  ASSERT_EQ(all.size(), 4U);  // head, rule, one line per label
  EXPECT_THAT(columns(all[0]), ElementsAre("seeds", "final accuracy", "best accuracy", "loss", "upload", "dropouts",
                                           "rejected", "status"));
  EXPECT_EQ(all[1].find_first_not_of('-'), std::string::npos);
  EXPECT_THAT(columns(all[2]),
              ElementsAre("fed_avg", "3", "93.00 ± 3.61 %", "96.00 ± 1.73 %", "0.5", "0 B", "0", "0", "finished"));
  EXPECT_THAT(columns(all[3]), ElementsAre("scaffold", "1", "50.00 %", "50.00 %", "0.5", "0 B", "0", "0", "finished"));
}

TEST(Table, CountsBytesAndDropouts) {
  CellResult a = accuracy(0.5, 0.5), b = a;
  a.bytes_up = 1'000'000;
  a.dropouts = 10;
  a.rejected = 1;
  a.final_loss = 1;
  b.bytes_up = 4'000'000;
  b.dropouts = 20;
  b.rejected = 4;
  b.final_loss = 4;
  const auto all = lines({cell("x", a), cell("x", b)});
  // Means. Loss: deviation sqrt(2 * 1.5^2).
  EXPECT_THAT(columns(all[2]), ElementsAre("x", "2", "50.00 ± 0.00 %", "50.00 ± 0.00 %", "2.5 ± 2.1", "2.5 MB", "15",
                                           "2.5", "finished"));
}

TEST(Table, ShowsWhenTheTargetWasReached) {
  CellResult fast = accuracy(0.9, 0.9), slow = fast;
  const CellResult never = fast;
  fast.rounds_to_target = 10;
  slow.rounds_to_target = 20;
  fast.time_to_target_us = 1'000'000;
  slow.time_to_target_us = 3'000'000;
  const std::string config = "[evaluate]\ntarget = 0.8\n";
  const auto all = lines({cell("some", fast, config), cell("some", slow, config), cell("some", never, config),
                          cell("none", never, config)});
  EXPECT_THAT(all[0], HasSubstr("rounds to target   virtual time"));
  EXPECT_EQ(columns(all[2]).at(6), "2.0 s");
  EXPECT_EQ(columns(all[2]).at(5), "15 (2 of 3)");
  EXPECT_EQ(columns(all[3]).at(5), "not reached");
  EXPECT_THAT(lines({cell("none", never)})[0], ::testing::Not(HasSubstr("target")));
}

TEST(Table, HasNoAccuracyIfTheTaskHasNone) {
  CellResult result{.status = "finished"};
  result.final_loss = 0.125;
  const auto all = lines({cell("fed_avg", result)});
  EXPECT_THAT(columns(all[0]), ElementsAre("seeds", "loss", "upload", "dropouts", "rejected", "status"));
  EXPECT_THAT(columns(all[2]), ElementsAre("fed_avg", "1", "0.125", "0 B", "0", "0", "finished"));
}

// A diverged run has no final accuracy; the mean is that of the others, and the line counts it.
TEST(Table, ShowsRunsThatDiverged) {
  const CellResult diverged{.status = "diverged"};
  const auto all = lines({cell("some", accuracy(0.25, 0.5)), cell("some", diverged), cell("all", diverged)});
  EXPECT_THAT(columns(all[2]), ElementsAre("some", "2", "25.00 %", "50.00 %", "0.5", "0 B", "0", "0", "1 diverged"));
  EXPECT_THAT(columns(all[3]), ElementsAre("all", "1", "-", "-", "-", "0 B", "0", "0", "1 diverged"));
}

// ± and letters beyond ASCII take one column each: every line is as wide as the rule.
TEST(Table, IsAlignedOnTheScreen) {
  const auto all = lines({cell("α = 0.3, größer", accuracy(0.9, 0.9)), cell("α = 0.3, größer", accuracy(0.8, 0.9)),
                          cell("short", accuracy(0.125, 1)), cell("éé", accuracy(1, 1))});
  ASSERT_EQ(all.size(), 5U);
  for (const std::string& line : all) EXPECT_EQ(letters(line), letters(all[1])) << line;
  // The labels are left-aligned, numbers right-aligned.
  EXPECT_TRUE(all[3].starts_with("short  "));
  EXPECT_EQ(letters(all[2].substr(0, all[2].find(" %"))), letters(all[3].substr(0, all[3].find(" %"))));
}

// A narrow terminal gets the same columns in several tables, each with the labels.
TEST(Table, FoldsWhereTheTerminalIsNarrow) {
  const std::vector<CellContents> cells{cell("fed_avg", accuracy(0.9, 0.95)), cell("scaffold", accuracy(0.5, 0.5))};
  const auto whole = lines(cells);
  for (const std::size_t width : {20, 60, 80, 500}) {
    std::vector<std::string> heads, of_scaffold{"scaffold"};
    const auto folded = lines(cells, width);
    for (std::size_t l = 0; l < folded.size(); ++l) {
      const bool one_column = columns(folded[l]).size() <= 2;
      EXPECT_TRUE(letters(folded[l]) <= width || one_column) << folded[l];
      const bool is_head = l + 1 < folded.size() && folded[l + 1].starts_with("----");
      const auto found = columns(folded[l]);
      if (is_head) heads.insert(heads.end(), found.begin(), found.end());
      if (folded[l].starts_with("scaffold")) of_scaffold.insert(of_scaffold.end(), found.begin() + 1, found.end());
    }
    EXPECT_EQ(heads, columns(whole[0])) << width;
    EXPECT_EQ(of_scaffold, columns(whole[3])) << width;
  }
}

}  // namespace
}  // namespace shoal
