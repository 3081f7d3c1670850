// Do rules and attacks do in whole rounds what their formulas say, and what does the server learn of single clients?
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr double rate = 0.1;
constexpr int steps = 3;
const double reach = 1 - std::pow(1 - rate, steps);  // share of the way to its optimum that an honest client goes

// Clients with these optima and curvature 1 in one dimension, all in every round: client c returns reach (b_c - x).
Federation with_optima(const std::vector<double>& optima, const std::string& rules_and_attack) {
  std::string list, curvatures;
  for (const double optimum : optima) {
    list += fmt::format("{},", optimum);
    curvatures += "1,";
  }
  return federation(
      fmt::format("{}\nplanner = {{cohort = {}}}\nlocal = {{steps = {}, rate = {}, block = 2}}\n"
                  "[task]\nname = \"quadratic\"\nprecision = \"float64\"\ncurvatures = [{}]\noptima = [{}]\n",
                  rules_and_attack, optima.size(), steps, rate, curvatures, list));
}

// The model after each round, from 0 on.
std::vector<double> models(const Federation& parts, int rounds, int ranks = 1) {
  std::vector<double> found = {0};
  run(parts, rounds, ranks, 1, [&](const RoundRecord&, const FederationState& state, Communicator& comm, Trainers&) {
    if (comm.rank() == 0) found.push_back(state.strategy().params().item<double>());
  });
  return found;
}

std::vector<double> updates(const std::vector<double>& optima, double x) {
  std::vector<double> all;
  for (const double optimum : optima) all.push_back(reach * (optimum - x));
  return all;
}

// The mean of the `count` values nearest to `value`.
double mean_of_nearest(std::vector<double> values, double value, std::size_t count) {
  std::ranges::sort(values, {}, [&](double other) { return std::abs(other - value); });
  return std::accumulate(values.begin(), values.begin() + count, 0.0) / count;
}

double krum(const std::vector<double>& values, std::size_t f) {
  double best = 0, lowest = INFINITY;
  for (const double value : values) {
    std::vector<double> distances;
    for (const double other : values) distances.push_back((other - value) * (other - value));
    std::ranges::sort(distances);  // the first is its own, 0
    const double score = std::accumulate(distances.begin() + 1, distances.begin() + 1 + values.size() - f - 2, 0.0);
    if (score < lowest) {
      lowest = score;
      best = value;
    }
  }
  return best;
}

const std::vector<double> ten = {1.3, 0.2, 2.1, 0.9, 1.7, 1.05, 0.6, 1.45, 2.6, 0.35};

TEST(RulesInRounds, MixNearestNeighboursThenChooseByKrum) {
  const Federation parts = with_optima(ten,
                                       "rules = [{name = \"nnm\", f = 3}, {name = \"krum\", f = 3}]\n"
                                       "attack = {name = \"sign_flip\", malicious = 3, scale = 4}");
  ASSERT_EQ(parts.aggregator->name(), "kept_rows");
  const std::vector<double> found = models(parts, 6, 3);
  for (std::size_t r = 1; r < found.size(); ++r) {
    std::vector<double> sent = updates(ten, found[r - 1]);
    for (std::size_t c = 0; c < 3; ++c) sent[c] *= -4;
    std::vector<double> mixed;
    for (const double value : sent) mixed.push_back(mean_of_nearest(sent, value, 7));
    EXPECT_NEAR(found[r] - found[r - 1], krum(mixed, 3), 1e-12) << "round " << r;
  }
}

TEST(RulesInRounds, ClipAroundTheAggregateOfTheRoundBefore) {
  constexpr double radius = 0.02;
  const std::vector<double> found = models(
      with_optima(ten, fmt::format("rules = [{{name = \"centered_clipping\", radius = {}, iterations = 2}}]", radius)),
      8, 2);
  double centre = 0;
  for (std::size_t r = 1; r < found.size(); ++r) {
    const std::vector<double> sent = updates(ten, found[r - 1]);
    for (int iteration = 0; iteration < 2; ++iteration) {
      double moved = 0;
      for (const double value : sent) moved += std::clamp(value - centre, -radius, radius) / 10;
      centre += moved;
    }
    EXPECT_NEAR(found[r] - found[r - 1], centre, 1e-12) << "round " << r;
  }
}

// All clients have the optimum 1, and 4 of 10 send -3 times their update, so a mean takes the factor (6 - 3 4) / 10 of
// an honest step: it leaves the optimum, the distance growing by the factor 1 + 0.6 reach in each round. With rows of
// length c at most, honest clients pull with 6 reach e at the distance e, and the others push with 4 c where 3 reach e
// exceeds c: at rest, e = 4 c / (6 reach).
TEST(RulesInRounds, BoundTheNormsThatAnAttackerSends) {
  const std::vector<double> equal(10, 1.0);
  const std::string attack = "attack = {name = \"sign_flip\", malicious = 4, scale = 3}\n";
  const std::vector<double> mean = models(with_optima(equal, attack), 30);
  for (std::size_t r = 0; r < mean.size(); ++r) {
    EXPECT_NEAR(1 - mean[r], std::pow(1 + 0.6 * reach, r), 1e-9 * std::pow(1 + 0.6 * reach, r)) << "round " << r;
  }
  constexpr double bound = 0.03;
  const std::string rule = fmt::format("rules = [{{name = \"norm_bound\", bound = {}}}]\n", bound);
  const std::vector<double> bounded = models(with_optima(equal, rule + attack), 400);
  for (std::size_t r = 1; r < bounded.size(); ++r) EXPECT_LE(std::abs(bounded[r] - bounded[r - 1]), bound);
  EXPECT_NEAR(1 - bounded.back(), 4 * bound / (6 * reach), 1e-9);
  // A client that attacks evades the stages on the clients' side: the honest steps are clipped to c, its are 3 c long.
  const std::string stage = fmt::format("stages = [{{name = \"clip\", bound = {}}}]\n", bound);
  const std::vector<double> clipped = models(with_optima(equal, stage + attack), 30);
  for (std::size_t r = 0; r < clipped.size(); ++r) {
    EXPECT_NEAR(clipped[r], -bound * (6 - 3 * 4) / -10 * r, 1e-9) << "round " << r;
  }
}

// Malicious rows are the mean of the honest ones less z deviations; all count alike in the mean that follows.
TEST(AttacksInRounds, CraftRowsFromThoseOfOthers) {
  const std::vector<double> found =
      models(with_optima(
                 ten, "attack = {name = \"alie\", malicious = 2, z = 1.5, from_round = 3}\naggregator = \"kept_rows\""),
             6, 3);
  for (std::size_t r = 1; r < found.size(); ++r) {
    const std::vector<double> sent = updates(ten, found[r - 1]);
    double expected = std::accumulate(sent.begin(), sent.end(), 0.0) / 10;
    if (r >= 3) {
      const double honest = std::accumulate(sent.begin() + 2, sent.end(), 0.0) / 8;
      double square = 0;
      for (std::size_t c = 2; c < 10; ++c) square += (sent[c] - honest) * (sent[c] - honest);
      expected = (8 * honest + 2 * (honest - 1.5 * std::sqrt(square / 7))) / 10;
    }
    EXPECT_NEAR(found[r] - found[r - 1], expected, 1e-12) << "round " << r;
  }
}

// Tries the server's rules before it acts, and notes what they would give.
class Careful final : public Attack {
 public:
  bool is_malicious(ClientId client, std::int64_t) const override { return value(client) == 4; }
  bool wants_rows() const override { return true; }
  void craft(RowSet& rows, std::span<const std::int64_t> malicious, State& state,
             const AttackContext& context) const override {
    EXPECT_EQ(malicious.size(), 1U);
    EXPECT_EQ(rows.clients()[malicious[0]], ClientId{4});
    state.put("defended", context.defend(rows));
    state.put("again", context.defend(rows));
  }
};

TEST(AttacksInRounds, TryTheRulesOnCopies) {
  Federation parts = with_optima(ten, "rules = [{name = \"centered_clipping\", radius = 0.05}, \"norm_bound\"]");
  parts.attack = std::make_shared<Careful>();
  double before = 0;
  run(parts, 5, 2, 1, [&](const RoundRecord&, const FederationState& state, Communicator& comm, Trainers&) {
    const State& own = state.section("attack/1/unnamed");
    EXPECT_TRUE(at::equal(own.tensor("defended"), own.tensor("again")));
    if (comm.rank() != 0) return;
    const double after = state.strategy().params().item<double>();
    EXPECT_NEAR(own.tensor("defended").item<double>(), after - before, 1e-12);
    before = after;
  });
}

TEST(RulesInRounds, NoteTheirEvidenceOfEveryClient) {
  const Federation parts = with_optima(ten, "rules = [{name = \"norm_bound\", bound = 0.1}]");
  run(parts, 1, 2, 1, [&](const RoundRecord&, const FederationState& state, Communicator&, Trainers&) {
    for (std::size_t c = 0; c < ten.size(); ++c) {
      const ClientId client{static_cast<std::int64_t>(c)};
      EXPECT_NEAR(state.board.score("norm_bound", client, -1), reach * ten[c], 1e-12);
    }
  });
}

// Counts are no rows: the share of updates within the bound is exact, whatever the rule chooses. The stage multiplies
// its bound by exp(-0.2 (share - 0.5)).
TEST(RulesInRounds, LeaveChannelsAloneThatNeedAMean) {
  const Federation parts = with_optima(ten, "rules = [\"krum\"]\nstages = [{name = \"adaptive_clip\", initial = 0.2}]");
  const double within = std::ranges::count_if(ten, [](double optimum) { return reach * optimum <= 0.2; }) / 10.0;
  EXPECT_NE(within, 0.5);
  run(parts, 1, 1, 1, [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) {
    EXPECT_NEAR(record.measures.at("adaptive_clip.bound"), 0.2 * std::exp(-0.2 * (within - 0.5)), 1e-12);
  });
}

// Without rules, kept rows give the mean of the sums, also of stale updates whose divisor is not their weight.
TEST(KeptRows, GiveTheMeanOfTheSums) {
  for (const std::string strategy : {"fed_avg", "fed_async", "scaffold"}) {
    const auto last = [&](const std::string& aggregator) {
      const Federation parts = federation(
          fmt::format("aggregator = \"{}\"\nstrategy = \"{}\"\nplanner = {{name = \"fed_buff\", concurrency = "
                      "12, buffer = 4, dropout = 0.1}}\npopulation = {{speed_sigma = 1}}\nlocal = {{steps = 3}}\n"
                      "[task]\nname = \"quadratic\"\nclients = 40\ndimension = 30\nprecision = \"float64\"\n",
                      aggregator, strategy));
      at::Tensor found;
      run(parts, 12, 2, 1, [&](const RoundRecord&, const FederationState& state, Communicator& comm, Trainers&) {
        if (comm.rank() == 0) found = state.strategy().params().clone();
      });
      return found;
    };
    EXPECT_LT((last("kept_rows") - last("exact_sum")).abs().max().item<double>(), 1e-9) << strategy;
  }
}

class OnAnyRanks : public testing::TestWithParam<std::string> {};

// 5,000 values are three pieces of columns, so that several ranks have some.
TEST_P(OnAnyRanks, HaveTheSameBits) {
  const Federation parts = federation(GetParam() +
                                      "\nplanner = {cohort = 9, dropout = 0.2}\nlocal = {steps = 2, block = 2}\n"
                                      "[task]\nname = \"quadratic\"\nclients = 20\ndimension = 5000\n");
  const std::string one = run(parts, 5);
  for (const auto& [ranks, threads] : {std::pair{1, 2}, {2, 1}, {3, 2}, {5, 1}}) {
    EXPECT_EQ(run(parts, 5, ranks, threads), one) << ranks << " ranks, " << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rules, OnAnyRanks,
    testing::Values<std::string>(
        "rules = [\"nnm\", \"krum\"]\nattack = {name = \"sign_flip\", malicious = 4}",
        "rules = [{name = \"centered_clipping\", radius = 1}]\nattack = {name = \"alie\", malicious = 4}",
        "rules = [\"norm_bound\", \"median\"]\nstrategy = \"scaffold\"",
        "attack = {name = \"sign_flip\", malicious = 4}\nstages = [\"adaptive_clip\"]"));

}  // namespace
}  // namespace shoal
