// Does the report count correctly how clients took part? Small cells by hand.
#include "experiments/report/usage.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "experiments/program/timeline.hpp"

namespace shoal {
namespace {

constexpr std::int64_t second = 1'000'000, hour = 3600 * second;

ParticipationRow attempt(std::int64_t client, std::int64_t start, std::int64_t finish, bool accepted) {
  return {.round = 1,
          .client = client,
          .start_us = start,
          .finish_us = finish,
          .outcome = accepted ? 0 : 2,
          .committed = accepted ? 1 : 0,
          .accepted = accepted ? 1 : 0,
          .bytes_down = 100,
          .bytes_up = accepted ? 50 : 0,
          .joules = 2};
}

CellContents cell(std::vector<ParticipationRow> attempts, const std::string& clients, std::int64_t end) {
  CellContents cell;
  cell.header.provenance["clients"] = clients;
  cell.rounds = {{.round = 1, .version = 1, .time_us = end}};
  cell.participations = std::move(attempts);
  return cell;
}

Usage usage(const CellContents& cell) {
  LabelSummary summary;
  summary.cells = {&cell};
  return usage_of(summary);
}

TEST(Usage, CountsTimeBytesAndEnergy) {
  const Usage use = usage(cell({attempt(0, 0, 4 * second, true), attempt(1, 0, 6 * second, false)}, "2", 10 * second));
  EXPECT_EQ(use.participations, 2);
  EXPECT_EQ(use.accepted, 1);
  EXPECT_DOUBLE_EQ(use.device_seconds, 10);
  EXPECT_DOUBLE_EQ(use.wasted_seconds, 6);
  EXPECT_DOUBLE_EQ(use.bytes, 250);
  EXPECT_DOUBLE_EQ(use.wasted_bytes, 100);
  EXPECT_DOUBLE_EQ(use.joules, 4);
  EXPECT_DOUBLE_EQ(use.concurrency, 1);
}

TEST(Usage, MeasuresTheShareOfBusyPlaces) {
  // Two at a time at most: 4 + 6 + 6 s of work in 2 places of 10 s. One that ends makes place for one that starts.
  const Usage use = usage(cell(
      {attempt(0, 0, 4 * second, true), attempt(1, 0, 6 * second, false), attempt(2, 4 * second, 10 * second, true)},
      "9", 10 * second));
  EXPECT_EQ(use.most_at_work, 2);
  EXPECT_DOUBLE_EQ(use.busy, 16.0 / 20);
  EXPECT_TRUE(std::isnan(use.busiest_rank));
}

TEST(Usage, FindsTheBusiestRankAsPlaced) {
  // Longest first on two ranks: 3, 2 | 3, 2, 2 makes 7 on one, 5 on the other; the mean is 6. A second round of one
  // client leaves a rank idle: 4 against 2.
  std::vector<ParticipationRow> attempts;
  for (const std::int64_t steps : {3, 3, 2, 2, 2}) {
    attempts.push_back(attempt(steps, 0, second, true));
    attempts.back().steps = steps;
  }
  CellContents one = cell(attempts, "9", second);
  one.header.provenance["cell ranks"] = "2";
  EXPECT_DOUBLE_EQ(usage(one).busiest_rank, 7.0 / 6);
  one.participations.push_back(attempt(8, 0, second, true));
  one.participations.back().steps = 4;
  one.participations.back().round = 2;
  EXPECT_DOUBLE_EQ(usage(one).busiest_rank, (7.0 + 4) / (6 + 2));
  // In blocks of two, 6 + 4 + 2 steps: 6 against 6.
  one.participations.pop_back();
  one.header.provenance["block"] = "2";
  EXPECT_DOUBLE_EQ(usage(one).busiest_rank, 1);
}

TEST(Usage, ComputesGiniOfKnownDistributions) {
  EXPECT_NEAR(gini({3, 3, 3, 3}, 4), 0, 1e-12);
  EXPECT_NEAR(gini({7}, 1000), 0.999, 1e-12);              // one of n made all: 1 - 1/n
  EXPECT_NEAR(gini({1, 2, 3, 4, 5}, 5), 4.0 / 15, 1e-12);  // mean difference 1.6 over twice the mean 3
  EXPECT_NEAR(gini({1, 1}, 4), 0.5, 1e-12);                // half of the clients made nothing
  EXPECT_TRUE(std::isnan(gini({}, 10)));
}

TEST(Usage, CountsIdleClientsInTheLorenzCurve) {
  // Clients 0 and 1 of four contribute 1 and 3.
  std::vector<ParticipationRow> attempts{attempt(0, 0, second, true)};
  for (int i = 0; i < 3; ++i) attempts.push_back(attempt(1, 0, second, true));
  const Usage use = usage(cell(attempts, "4", second));
  EXPECT_NEAR(use.lorenz[0], 0, 1e-12);
  EXPECT_NEAR(use.lorenz[50], 0, 1e-12);
  EXPECT_NEAR(use.lorenz[75], 0.25, 1e-12);
  EXPECT_NEAR(use.lorenz[100], 1, 1e-12);
  EXPECT_NEAR(use.gini, gini({1, 3}, 4), 1e-12);
}

TEST(Usage, CountsStalenessInServerUpdates) {
  CellContents asynchronous = cell({attempt(0, 0, second, true), attempt(1, 0, second, true)}, "2", second);
  asynchronous.rounds[0].version = 4;  // used in the step from version 3 to 4
  asynchronous.participations[0].version = 3;
  asynchronous.participations[1].version = 1;
  const Usage use = usage(asynchronous);
  EXPECT_EQ(use.staleness, (std::map<std::int64_t, std::int64_t>{{0, 1}, {2, 1}}));
  EXPECT_DOUBLE_EQ(use.mean_staleness(), 1);
}

TEST(Usage, AveragesHoursOfTheDayOverDays) {
  // Three days; on the second, one client works from 23:30 to 1:00.
  const Usage use = usage(cell({attempt(0, 24 * hour + 23 * hour + hour / 2, 49 * hour, true)}, "1", 72 * hour));
  EXPECT_NEAR(use.by_hour[23], 0.5 / 3, 1e-12);
  EXPECT_NEAR(use.by_hour[0], 1.0 / 3, 1e-12);
  EXPECT_NEAR(use.by_hour[1], 0, 1e-12);
  // A run of two hours says nothing about the others.
  const Usage brief = usage(cell({attempt(0, 0, hour, true)}, "1", 2 * hour));
  EXPECT_EQ(brief.by_hour[0], 1);
  EXPECT_EQ(brief.by_hour[1], 0);
  EXPECT_TRUE(std::isnan(brief.by_hour[2]));
  // A participation of several days is at work in every hour.
  const Usage always = usage(cell({attempt(0, 0, 72 * hour, true)}, "1", 72 * hour));
  for (const double clients : always.by_hour) EXPECT_NEAR(clients, 1, 1e-12);
}

TEST(Timeline, KeepsParticipationsApart) {
  const auto timeline = nlohmann::json::parse(timeline_json(cell(
      {attempt(0, 0, 4, true), attempt(1, 0, 6, false), attempt(2, 4, 8, true), attempt(3, 5, 9, true)}, "4", 10)));
  std::map<std::string, int> track;
  for (const auto& event : timeline["traceEvents"]) {
    if (event["ph"] == "X" && event["pid"] == 1) track[event["name"]] = event["tid"];
  }
  EXPECT_EQ(track, (std::map<std::string, int>{{"client 0", 0}, {"client 1", 1}, {"client 2", 0}, {"client 3", 2}}));
}

}  // namespace
}  // namespace shoal
