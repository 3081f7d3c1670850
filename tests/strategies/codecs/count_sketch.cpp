// Does the server recover the largest coordinates of a mean from the sum of sketches, and keep the rest for later?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/strategies/codecs/fixed_rows.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

TEST(CountSketch, RecoversTheLargestCoordinatesOfTheMean) {
  // Three coordinates carry values. In a row of 64 columns two of them meet with a probability of 3 / 64, and a median
  // of 9 rows errs only if it happens in 5 of them: 3e-5.
  const auto row = [](const Participation& p, std::int64_t j) {
    const double c = value(p.client);
    return j == 17 ? 8 + c : j == 300 ? -4 - c : j == 999 ? 2 : 0.0;
  };
  const Federation parts = fixed_rows(3, 1000, "{name = \"count_sketch\", rows = 9, columns = 64, keep = 3}", row);
  const std::vector<double> sent = moves(parts, 1)[0];
  for (std::int64_t j = 0; j < 1000; ++j) {
    EXPECT_NEAR(sent[j], j == 17 ? 9 : j == 300 ? -5 : j == 999 ? 2 : 0, 1e-9) << "value " << j;
  }
  for (const ClientRow& client : play(parts, 1).records[0].clients) {
    EXPECT_EQ(client.figures.bytes_up, 9 * 64 * 8);
  }
}

TEST(CountSketch, RemembersOnTheServerWhatItDoesNotRecover) {
  // The mean is (3, 2, 1) in three coordinates, and one of them is recovered in a round: with what was left over the
  // server sees (3, 2, 1), (3, 4, 2), (6, 2, 3), (3, 4, 4) and so on.
  const auto row = [](const Participation&, std::int64_t j) { return j == 5 ? 3 : j == 50 ? 2 : j == 70 ? 1 : 0.0; };
  const Federation parts = fixed_rows(2, 100, "{name = \"count_sketch\", rows = 9, columns = 128, keep = 1}", row);
  const std::vector<std::vector<double>> models = moves(parts, 3);
  const std::vector<std::vector<double>> expected = {{3, 0, 0}, {3, 4, 0}, {9, 4, 0}};
  for (std::size_t round = 0; round < expected.size(); ++round) {
    EXPECT_NEAR(models[round][5], expected[round][0], 1e-9) << "round " << round + 1;
    EXPECT_NEAR(models[round][50], expected[round][1], 1e-9) << "round " << round + 1;
    EXPECT_NEAR(models[round][70], expected[round][2], 1e-9) << "round " << round + 1;
  }
}

TEST(CountSketch, EstimatesWithoutBias) {
  // With one row the estimate of a coordinate is its value plus the others of its cell with random signs: over many
  // coordinates of value 1 these errors cancel. There are size / columns - 1 others, so the error of the mean of all
  // estimates has the standard deviation sqrt((size / columns - 1) / size) if signs are independent; pairs share their
  // error, which doubles the variance.
  constexpr std::int64_t size = 4000;
  const Federation parts =
      fixed_rows(1, size, fmt::format("{{name = \"count_sketch\", rows = 1, columns = 1000, keep = {}}}", size),
                 [](const Participation&, std::int64_t) { return 1.0; });
  const std::vector<double> estimates = moves(parts, 1)[0];
  const double mean = std::accumulate(estimates.begin(), estimates.end(), 0.0) / size;
  EXPECT_NEAR(mean, 1, 5 * std::sqrt(2 * 3.0 / size));
}

TEST(CountSketch, HasTheSameBitsOnAnyRanks) {
  const Federation parts = federation(
      "codec = {name = \"count_sketch\", columns = 16, keep = 5}\n[task]\nname = \"quadratic\"\nclients = 30\n"
      "dimension = 60\n[local]\nblock = 3\n[planner]\ncohort = 12\ndropout = 0.2\n");
  const std::string one = play(parts, 6).bits;
  for (const Hands& hands : {Hands{1, 3}, {2, 1}, {3, 2}, {5, 1}}) {
    EXPECT_EQ(play(parts, 6, hands).bits, one) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
}

TEST(CountSketch, HasNoRowsForAMedian) {
  EXPECT_THAT(refusal("task = \"quadratic\"\ncodec = \"count_sketch\"\naggregator = \"median\"\n"),
              testing::HasSubstr("'count_sketch' can only decode their sum"));
  EXPECT_THAT(refusal("task = \"quadratic\"\ncodec = [\"top_k\", \"count_sketch\"]\n"),
              testing::HasSubstr("sketches plain values"));
}

}  // namespace
}  // namespace shoal
