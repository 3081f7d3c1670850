// Does the server's model move by the largest coordinates alone, and does each client pay for the changes that it
// lacks?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/strategies/codecs/fixed_rows.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

TEST(TopKDownload, MovesTheModelByTheLargestAndKeepsTheRest) {
  // The mean is (5, 3, 1, 2) in every round; one coordinate moves: 5, then 6 = 3 + 3, then 10 = 5 + 5, then 8 = 4 2.
  const std::vector<double> mean = {5, 3, 1, 2};
  Federation parts = federation(
      "stages = [{name = \"top_k_download\", keep = 0.25}]\n[task]\nname = \"quadratic\"\nclients = 2\ndimension = 4\n"
      "precision = \"float64\"\n[planner]\ncohort = 2\n");
  parts.strategy = std::make_shared<FixedRows>([&](const Participation&, std::int64_t j) { return mean[j]; });
  const std::vector<std::vector<double>> models = moves(parts, 4);
  EXPECT_THAT(models[0], testing::Pointwise(testing::DoubleNear(1e-12), {5, 0, 0, 0}));
  EXPECT_THAT(models[1], testing::Pointwise(testing::DoubleNear(1e-12), {5, 6, 0, 0}));
  EXPECT_THAT(models[2], testing::Pointwise(testing::DoubleNear(1e-12), {15, 6, 0, 0}));
  EXPECT_THAT(models[3], testing::Pointwise(testing::DoubleNear(1e-12), {15, 6, 0, 8}));
}

TEST(TopKDownload, CountsTheChangesThatAClientLacks) {
  // 40 of 400 values of 4 bytes change in a round, at 8 bytes each: 320 bytes a version against 1,600 for all. With
  // `versions = 2` a client that lacks more downloads everything.
  const Federation parts = federation(
      "stages = [{name = \"top_k_download\", keep = 0.1}]\n[task]\nname = \"quadratic\"\nclients = 12\n"
      "dimension = 400\n[planner]\ncohort = 4\ndropout = 0.1\n");
  const Played played = play(parts, 25, {2, 1});
  std::map<ClientId, std::int64_t> held;
  std::map<std::int64_t, int> seen;
  for (const RoundRecord& record : played.records) {
    std::int64_t total = 0;
    for (const ClientRow& row : record.clients) {
      const Participation& p = row.participation;
      const auto found = held.find(p.client);
      const std::int64_t lacks = found == held.end() ? -1 : value(p.version) - found->second;
      EXPECT_EQ(row.bytes_down, lacks < 0 || lacks > 2 ? 1600 : lacks * 320)
          << "round " << record.round << ", client " << value(p.client);
      ++seen[lacks];
      total += row.bytes_down;
    }
    EXPECT_EQ(record.bytes_down, total);
    for (const ClientRow& row : record.clients) {
      if (row.participation.outcome != Outcome::dropout_in_download) {
        held[row.participation.client] = value(row.participation.version);
      }
    }
  }
  // All cases occur: the first download, one version behind, two, and more.
  for (const std::int64_t lacks : {-1, 1, 2, 3}) EXPECT_GT(seen[lacks], 0) << lacks;
}

TEST(TopKDownload, HasTheSameBitsOnAnyRanks) {
  const Federation parts = federation(
      "stages = [\"top_k_download\"]\ncodec = \"top_k\"\n[task]\nname = \"quadratic\"\nclients = 30\ndimension = 200\n"
      "[local]\nblock = 3\n[planner]\ncohort = 12\ndropout = 0.2\n");
  const std::string one = play(parts, 6).bits;
  for (const Hands& hands : {Hands{1, 3}, {2, 1}, {3, 2}, {5, 1}}) {
    EXPECT_EQ(play(parts, 6, hands).bits, one) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
}

TEST(TopKDownload, RefusesOtherServerSteps) {
  EXPECT_THAT(refusal("task = \"quadratic\"\nstages = [\"top_k_download\"]\nstrategy = \"fed_adam\"\n"),
              testing::HasSubstr("needs a strategy that adds the mean update"));
}

}  // namespace
}  // namespace shoal
