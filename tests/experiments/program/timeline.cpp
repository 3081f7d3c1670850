// Does a timeline show participations that overlap on tracks of their own?
#include "experiments/program/timeline.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace shoal {
namespace {

TEST(Timeline, KeepsParticipationsApart) {
  CellContents cell;
  cell.rounds = {{.round = 1, .version = 1, .time_us = 10}};
  cell.participations = {{.round = 1, .client = 0, .start_us = 0, .finish_us = 4},
                         {.round = 1, .client = 1, .start_us = 0, .finish_us = 6, .outcome = 2},
                         {.round = 1, .client = 2, .start_us = 4, .finish_us = 8},
                         {.round = 1, .client = 3, .start_us = 5, .finish_us = 9}};
  const auto timeline = nlohmann::json::parse(timeline_json(cell));
  std::map<std::string, int> track;
  for (const auto& event : timeline["traceEvents"]) {
    if (event["ph"] == "X" && event["pid"] == 1) track[event["name"]] = event["tid"];
  }
  EXPECT_EQ(track, (std::map<std::string, int>{{"client 0", 0}, {"client 1", 1}, {"client 2", 0}, {"client 3", 2}}));
}

}  // namespace
}  // namespace shoal
