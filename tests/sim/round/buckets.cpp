// Do rules work on masked sums, of which the server sees one for each bucket of clients and no single update?
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "tests/sim/round/masked_sums.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// The plan of the last session.
struct Seen {
  std::vector<Participation> cohort;
  std::vector<std::int64_t> bucket;
};

// Masked sums that show the plan of their sessions to the test.
class Shown final : public Aggregator {
 public:
  explicit Shown(std::int64_t buckets) : sum_(1, buckets), buckets_(buckets) {}
  std::vector<ProtocolPhase> phases(std::span<const Wire> wires, double cohort) const override {
    return sum_.phases(wires, cohort);
  }
  std::int64_t buckets(double) const override { return buckets_; }
  bool gives_rows() const override { return true; }
  std::string refuses(const AggregationPlan& plan) const override {
    seen->cohort = plan.cohort;
    seen->bucket = plan.bucket;
    return {};
  }
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override { return sum_.open(plan); }

  const std::shared_ptr<Seen> seen = std::make_shared<Seen>();

 private:
  MaskedSum sum_;
  std::int64_t buckets_;
};

std::shared_ptr<const Rule> rule(const std::string& name) { return part<Rule>("rule", name); }

// Client c sends the value c, which the ring holds exactly; two clients of the seven are rejected.
TEST(Buckets, AreTheRowsOfRules) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->value = [](const Participation& p, std::size_t) {
    return value(p.client) % 3 == 1 && p.client < ClientId{5} ? 1e9 : value(p.client) * value(p.client);
  };
  Federation parts = scripted(std::make_shared<UnequalTask>(7, 3), strategy, all_clients(), 2);
  const auto shown = std::make_shared<Shown>(3);
  parts.aggregator = shown;
  parts.rules = {rule("median")};
  std::set<std::vector<std::int64_t>> drawn;
  for (int rounds = 1; rounds <= 6; ++rounds) {
    const Played played = play(parts, rounds);
    std::vector<double> sums(3, 0), senders(3, 0);
    ASSERT_EQ(shown->seen->cohort.size(), 7U);
    for (std::size_t i = 0; i < 7; ++i) {
      const double c = value(shown->seen->cohort[i].client);
      if (c == 1 || c == 4) continue;
      sums[shown->seen->bucket[i]] += c * c;
      ++senders[shown->seen->bucket[i]];
    }
    drawn.insert(shown->seen->bucket);
    std::vector<double> means;
    for (int b = 0; b < 3; ++b) {
      const auto members = std::ranges::count(shown->seen->bucket, b);
      EXPECT_TRUE(members == 2 || members == 3) << members;
      if (senders[b] > 0) means.push_back(sums[b] / senders[b]);
    }
    std::ranges::sort(means);
    const std::size_t n = means.size();
    const double median = (means[(n - 1) / 2] + means[n / 2]) / 2;
    expect_close(played.strategy.tensor("mean 0"), std::vector<double>(3, median), 1e-12, "median");
    expect_close(played.strategy.tensor("weight 0"), {5}, 0, "weight");
    EXPECT_EQ(played.strategy.integers().at("clients"), 5);
  }
  EXPECT_GT(drawn.size(), 3U);
}

// A channel that needs a mean is summed over all buckets.
TEST(Buckets, AddUpForChannelsThatNeedAMean) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "value", .weighting = Weighting::uniform},
                        {.name = "count", .weighting = Weighting::uniform, .needs_mean = true}};
  strategy->value = [](const Participation& p, std::size_t c) { return c == 0 ? 1.0 : value(p.client); };
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 2), strategy, all_clients(), 2);
  parts.aggregator = std::make_shared<MaskedSum>(1, 2);
  parts.rules = {rule("median")};
  const Played played = play(parts, 1);
  expect_close(played.strategy.tensor("mean 0"), {1, 1}, 1e-15, "value");
  expect_close(played.strategy.tensor("mean 1"), {2, 2}, 1e-15, "count");
  expect_close(played.strategy.tensor("weight 1"), {5}, 0, "weight");
}

const std::string flipped =
    "rules = [\"median\"]\nattack = {name = \"sign_flip\", malicious = 4, scale = 50}\nplanner = {cohort = 20}\n"
    "aggregator = {bound = 64}\nlocal = {steps = 3, rate = 0.1, block = 3}\n"
    "[task]\nname = \"quadratic\"\nclients = 20\ndimension = 30\nspread = 0.1\nprecision = \"float64\"\n";

Federation flippers(std::int64_t buckets) {
  Federation parts = federation(flipped);
  if (buckets == 1) parts.rules.clear();
  parts.aggregator = std::make_shared<MaskedSum>(1, buckets);
  return parts;
}

// Four clients of twenty send minus fifty times their update. They are in at most four of ten buckets.
TEST(Buckets, WithstandSignFlippers) {
  Federation honest = flippers(1);
  honest.attack = nullptr;
  const at::Tensor wanted = play(honest, 5).last();
  const double masked = (play(flippers(1), 5).last() - wanted).norm().item<double>();
  const double buckets = (play(flippers(10), 5).last() - wanted).norm().item<double>();
  EXPECT_LT(buckets, 0.05 * masked) << buckets << " and " << masked;
}

TEST(Buckets, HaveTheSameBitsOnAnyRanks) {
  Federation parts = federation("stages = [\"adaptive_clip\"]\npopulation = {dropouts = [0.1, 0.1, 0.1]}\n" + flipped);
  parts.aggregator = std::make_shared<MaskedSum>(1, 6);
  parts.rules = {rule("nnm"), rule("median")};
  const std::string one = play(parts, 4).bits;
  for (const Hands hands : {Hands{1, 3}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    EXPECT_EQ(play(parts, 4, hands).bits, one) << hands.ranks << " ranks";
  }
}

TEST(Buckets, HideSingleUpdates) {
  Federation parts = flippers(4);
  parts.check();
  const auto refusal_of = [](const Federation& of) {
    try {
      of.check();
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  parts.attack = part<Attack>("attack", "alie");
  EXPECT_THAT(refusal_of(parts), testing::HasSubstr("compares the clients' updates, and the aggregator"));
  parts.attack = nullptr;
  parts.rules.clear();
  parts.strategy = part<Strategy>("strategy", "fed_amp");
  EXPECT_THAT(refusal_of(parts), testing::HasSubstr("compares the clients' updates, and the aggregator"));
  parts = flippers(4);
  parts.codecs = {part<Codec>("codec", "count_sketch")};
  EXPECT_THAT(refusal_of(parts), testing::HasSubstr("can only decode their sum"));
}

}  // namespace
}  // namespace shoal
