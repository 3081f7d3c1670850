// Does the committee open the plain sum of the ring, in rounds and in buffers, and abort where too few answer?
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "sim/secure/one_shot.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::HasSubstr;

const std::string committee = "minimum = 2, enrolled = 100, bound = 4";

std::string experiment(const std::string& aggregator, const std::string& planner) {
  return "planner = {" + planner + "}\naggregator = {" + aggregator +
         "}\nlocal = {steps = 2, block = 2}\n"
         "[task]\nname = \"quadratic\"\nclients = 20\ndimension = 50\nexamples = 7\nprecision = \"float64\"\n";
}

// Masked sums have the same words, and need neither lattice nor committee.
TEST(OneShotSums, AreThePlainSumsOfTheRing) {
  for (const int bits : {24, 32}) {
    const std::string width = fmt::format(", bits = {}", bits), planner = "cohort = 9, dropout = 0.2";
    const std::string settings = fmt::format("name = \"one_shot\", {}{}", committee, width);
    const Played one_shot = play(federation(experiment(settings, planner)), 3);
    const Played counted = play(
        federation(experiment("name = \"sec_agg\", minimum = 2, bound = 4, work = \"counted\"" + width, planner)), 3);
    EXPECT_EQ(one_shot.records[2].verdict, Verdict::commit);
    EXPECT_TRUE(at::equal(one_shot.last(), counted.last())) << bits;
  }
}

TEST(OneShotSums, HaveTheSameBitsOnAnyRanks) {
  const Federation parts = federation(experiment("name = \"one_shot\", " + committee, "cohort = 9, dropout = 0.2"));
  const Played one = play(parts, 2);
  for (const Hands hands : {Hands{1, 3}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    EXPECT_EQ(play(parts, 2, hands).bits, one.bits) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
}

// Messages of several versions of the model are opened together.
TEST(OneShotSums, OpenBuffersOfSeveralVersions) {
  const std::string planner = "name = \"fed_buff\", concurrency = 12, buffer = 5, exponent = 0";
  const Played one_shot = play(federation(experiment("name = \"one_shot\", " + committee, planner)), 6, {2, 1});
  const Played exact = play(federation(experiment("bound = 4", planner)), 6);
  std::set<Version> versions;
  for (const ClientRow& row : one_shot.records[5].clients) versions.insert(row.participation.version);
  EXPECT_GT(versions.size(), 1U);
  // 5 clients of weight 7 and values up to 4 leave 30 - 8 bits below the point; each step at most doubles a difference.
  EXPECT_LE((one_shot.last() - exact.last()).abs().max().item<double>(), 64 * std::ldexp(1.0, -22));
}

TEST(OneShotSums, AbortWithoutEnoughDecryptors) {
  const Played played =
      play(federation(experiment("name = \"one_shot\", lost = 0.5, " + committee, "cohort = 4")), 2, {2, 1});
  for (const RoundRecord& record : played.records) {
    EXPECT_EQ(record.verdict, Verdict::abandoned);
    EXPECT_THAT(record.reason, HasSubstr(" of 26 decryptors answer (21 are needed)"));
    EXPECT_EQ(value(record.version), 0);
  }
  EXPECT_THAT(refusal(experiment("name = \"one_shot\", enrolled = 17", "cohort = 9")),
              HasSubstr("no committee of 17 enrolled parties"));
  EXPECT_THAT(refusal(experiment("name = \"one_shot\"", "cohort = 9") + "[[codec]]\nname = \"top_k\"\n"),
              HasSubstr("here all are"));
}

TEST(OneShotSums, CountTheirBytes) {
  const Played played = play(federation(experiment("name = \"one_shot\", " + committee, "cohort = 9")), 1);
  const std::int64_t bytes = one_shot_bytes({.members = 26, .corrupt = 5, .needed = 21}, 1);
  EXPECT_EQ(bytes, 2048 * 54 / 8 + 26 * (128 * 7 + 16) + 80);
  EXPECT_EQ(played.records[0].bytes_up, 9 * bytes);
}

}  // namespace
}  // namespace shoal
