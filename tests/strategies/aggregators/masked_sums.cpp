// Are masked sums the plain sums of the ring, bit for bit, whoever drops out, and refused where they would reveal too
// much?
#include <gmock/gmock.h>

#include <ATen/ops/tensor.h>
#include <cmath>

#include "sim/secure/graph_rule.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::Contains;
using ::testing::HasSubstr;

// Phases 3 and 4 come before the download, and phase 5 after the upload: clients drop out in each.
std::string experiment(const std::string& aggregator) {
  return "planner = {cohort = 14}\naggregator = {minimum = 2, bound = 4, " + aggregator +
         "}\nlocal = {steps = 2, block = 2}\npopulation = {dropouts = [0.03, 0.03, 0.05, 0.05, 0.05, 0.1]}\n"
         "[task]\nname = \"quadratic\"\nclients = 30\ndimension = 50\nexamples = 7\nprecision = \"float64\"\n";
}

const std::vector<std::string> aggregators = {"name = \"sec_agg\"", "name = \"sec_agg_plus\", dropout = 0.3",
                                              "name = \"sec_agg\", bits = 26", "name = \"sec_agg\", bits = 48",
                                              "name = \"sec_agg_plus\", dropout = 0.3, bits = 64"};

TEST(MaskedSums, AreThePlainSumsOfTheRing) {
  for (const std::string& aggregator : aggregators) {
    const std::string part = aggregator.starts_with("name = \"sec_agg_plus\"") ? "sec_agg_plus" : "sec_agg";
    const Played real = play(federation(experiment(aggregator)), 6);
    const Played counted = play(federation(experiment(aggregator + ", work = \"counted\"")), 6);
    EXPECT_EQ(real.bits, counted.bits) << aggregator;
    std::int64_t lost_in_phase[6] = {}, committed = 0;
    for (const RoundRecord& record : real.records) {
      committed += record.verdict == Verdict::commit ? 1 : 0;
      for (const ClientRow& row : record.clients) {
        for (std::size_t phase = 0; phase < 6; ++phase) {
          if (row.participation.outcome != dropout_in(phase)) continue;
          ++lost_in_phase[phase];
          EXPECT_EQ(row.committed, phase == 5 && record.verdict == Verdict::commit);
        }
      }
    }
    EXPECT_GE(committed, 3);
    for (const std::int64_t lost : lost_in_phase) EXPECT_GT(lost, 0) << aggregator;
    EXPECT_GT(real.records.back().measures.at(part + ".recovered"), 0);
  }
}

// The exact sum differs by the ring's rounding alone.
TEST(MaskedSums, AreCloseToTheExactMean) {
  const std::string no_dropouts =
      "planner = {cohort = 14}\nlocal = {steps = 2}\n"
      "[task]\nname = \"quadratic\"\nclients = 30\ndimension = 50\nexamples = 7\nprecision = \"float64\"\n";
  const Played exact = play(federation("aggregator = {bound = 4}\n" + no_dropouts), 1);
  for (const int bits : {20, 26, 32}) {
    const Played masked = play(
        federation(fmt::format("aggregator = {{name = \"sec_agg\", bound = 4, bits = {}}}\n", bits) + no_dropouts), 1);
    // 14 clients of weight 7 and values up to 4 leave bits - 2 - 9 bits below the point.
    const double step = std::ldexp(1.0, -(bits - 2 - 9));
    const double difference = (masked.last() - exact.last()).abs().max().item<double>();
    EXPECT_LE(difference, 0.5 * step * (1 + 1e-9)) << bits;
    EXPECT_GT(difference, 0.01 * step) << bits;
  }
}

TEST(MaskedSums, HaveTheSameBitsOnAnyRanks) {
  for (const std::string& aggregator : {aggregators[0], aggregators[1]}) {
    const Federation parts = federation(experiment(aggregator));
    const Played one = play(parts, 3);
    for (const Hands hands : {Hands{1, 3}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(parts, 3, hands).bits, one.bits) << hands.ranks << " ranks, " << hands.threads << " threads";
    }
  }
}

// The weights of real channels are counted in units of 2^-24.
TEST(MaskedSums, WeighByRealWeights) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared[0].weighting = Weighting::real;
  strategy->declared[0].bound = 8;
  strategy->value = [](const Participation& p, std::size_t) { return 0.5 * static_cast<double>(value(p.client)); };
  strategy->weight = [](const Participation& p) { return value(p.client) == 2 ? 0.5 : 0.125; };
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 3), strategy, all_clients(), 2);
  Settings settings = Settings::parse("bits = 64\nminimum = 2", "test");
  parts.aggregator = find_part<Aggregator>("aggregator", "sec_agg").make(settings);
  const Played played = play(parts, 1, {2, 2});
  const double total = 4 * 0.125 + 0.5;
  expect_close(played.strategy.tensor("mean 0"),
               std::vector<double>(3, (0.125 * (0 + 1 + 3 + 4) + 0.5 * 2) * 0.5 / total), 1e-9, "mean");
  EXPECT_EQ(played.strategy.tensor("weight 0").item<double>(), total);
}

// A client whose update is rejected sends nothing, after its neighbours have added their masks.
TEST(MaskedSums, RecoverTheMasksOfRejectedClients) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->value = [](const Participation& p, std::size_t) {
    return p.client == ClientId{1} ? 1e9 : 0.5 * static_cast<double>(value(p.client));
  };
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 3), strategy, all_clients(), 2);
  Settings settings = Settings::parse("minimum = 2", "test");
  parts.aggregator = find_part<Aggregator>("aggregator", "sec_agg").make(settings);
  const Played played = play(parts, 1, {3, 1});
  EXPECT_EQ(played.records[0].rejected, 1);
  expect_close(played.strategy.tensor("mean 0"), std::vector<double>(3, 0.5 * (0 + 2 + 3 + 4) / 4), 1e-15, "mean");
}

// With more dropouts than the threshold allows, no client trains, and the round has a reason.
TEST(MaskedSums, AreRefusedBeforeTraining) {
  const auto strategy = std::make_shared<Scripted>();
  std::atomic<int> trained = 0;
  strategy->value = [&](const Participation&, std::size_t) {
    ++trained;
    return 1.0;
  };
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 1), strategy);
  Settings settings = Settings::parse("minimum = 6", "test");
  parts.aggregator = find_part<Aggregator>("aggregator", "sec_agg").make(settings);
  const Played few = play(parts, 2, {2, 1});
  EXPECT_EQ(trained, 0);
  for (const RoundRecord& record : few.records) {
    EXPECT_EQ(record.verdict, Verdict::abandoned);
    EXPECT_EQ(record.reason, "a sum of 5 clients is not released (6 are the minimum)");
  }
  std::string reason;
  for (const RoundRecord& record : play(federation(experiment("name = \"sec_agg\", threshold = 0.9")), 3).records) {
    if (record.verdict == Verdict::abandoned) reason = record.reason;
  }
  EXPECT_THAT(reason, HasSubstr("clients cannot be removed ("));
  EXPECT_THAT(reason, HasSubstr(" of 13 shares)"));
}

TEST(MaskedSums, CountTheBytesOfTheirPhases) {
  const Federation parts = federation(
      "planner = {cohort = 12}\naggregator = {name = \"sec_agg_plus\", corrupt = 0.2}\n"
      "[task]\nname = \"quadratic\"\nclients = 12\ndimension = 3\nprecision = \"float64\"\n");
  const std::optional<GraphRule> rule = graph_rule({.clients = 12, .corrupt = 0.2, .dropout = 0.05});
  ASSERT_TRUE(rule.has_value());
  const std::int64_t k = rule->degree;
  const RoundRecord record = play(parts, 1).records[0];
  ASSERT_EQ(record.committed, 12);
  // Keys, sealed shares and answers; a bit for each neighbour, in whole bytes.
  EXPECT_EQ(record.bytes_down, 12 * (3 * 8 + k * 68 + k * 96 + (k + 7) / 8));
  EXPECT_EQ(record.bytes_up, 12 * (4 + 4 * 4 + 68 + k * 96 + k * 44));
}

// The median over the means of three groups withstands a client that would spoil the mean.
TEST(MaskedSums, GiveRowsOfGroupsToRules) {
  const std::string base =
      "rules = [\"median\"]\nplanner = {cohort = 15}\nlocal = {steps = 2}\n"
      "[task]\nname = \"quadratic\"\nclients = 15\ndimension = 5\nprecision = \"float64\"\n";
  const std::string grouped = "aggregator = {name = \"sec_agg\", groups = 3, minimum = 2, bits = 64}\n";
  const std::string attack = "attack = {name = \"sign_flip\", malicious = 1, scale = 100}\n";
  const Played honest = play(federation(grouped + base), 4), attacked = play(federation(attack + grouped + base), 4);
  const Played mean =
      play(federation(attack + "planner = {cohort = 15}\naggregator = {name = \"sec_agg\", minimum = 2, "
                               "bits = 64}\nlocal = {steps = 2}\n[task]\nname = \"quadratic\"\nclients = "
                               "15\ndimension = 5\nprecision = \"float64\"\n"),
           4);
  const auto distance = [&](const Played& played) { return (played.last() - honest.last()).norm().item<double>(); };
  EXPECT_EQ(attacked.records[3].committed, 15);
  EXPECT_LT(5 * distance(attacked), distance(mean));
  EXPECT_EQ(play(federation(attack + grouped + base), 4, {3, 2}).bits, attacked.bits);
}

TEST(MaskedSums, RefuseWhatDoesNotFit) {
  const auto error = [](const std::string& toml) {
    return refusal(toml + "\n[task]\nname = \"quadratic\"\nclients = 30\ndimension = 5\n");
  };
  const std::string masked = "aggregator = \"sec_agg\"\n", plus = "aggregator = \"sec_agg_plus\"\n";
  EXPECT_EQ(error(masked + "planner = {cohort = 12}"), "accepted");
  EXPECT_THAT(error(masked + "planner = \"fed_buff\""), HasSubstr("masks of pairs need the whole cohort"));
  EXPECT_THAT(error(masked + "planner = {name = \"power_of_choice\", cohort = 12}"), HasSubstr("what they report"));
  EXPECT_THAT(error(masked + "planner = {cohort = 9}"), HasSubstr("sums of at least 10."));
  EXPECT_THAT(error(masked + "planner = {cohort = 12}\ncodec = \"top_k\""), HasSubstr("under masks all are"));
  EXPECT_THAT(error(masked + "planner = {cohort = 12}\nstrategy = \"mime\""), HasSubstr("first exchange"));
  EXPECT_THAT(error("planner = {cohort = 12}\naggregator = {name = \"sec_agg_plus\", corrupt = 0.7, dropout = 0.25}"),
              HasSubstr("no graph of 12 clients"));
  EXPECT_THAT(error("planner = {cohort = 12}\naggregator = {name = \"sec_agg\", bits = 10}"),
              HasSubstr("too short for the channel 'delta'"));
  EXPECT_THAT(error(plus + "planner = {cohort = 12}\nrules = [\"krum\"]"), HasSubstr("does not give them"));
}

TEST(MaskedSums, AreAnnounced) {
  const Federation parts = federation(
      "planner = {cohort = 100}\naggregator = {name = \"sec_agg_plus\", server = \"semi_malicious\"}\n"
      "[task]\nname = \"quadratic\"\nclients = 100\ndimension = 5\n");
  EXPECT_THAT(parts.notes(), Contains(HasSubstr("100 clients with 16 neighbours each, 11 of 16 shares")));
}

}  // namespace
}  // namespace shoal
