// Is the mean of a round weighted as declared, and are its integer sums safe from overflow?

#include <cmath>
#include <limits>

#include "kernels/fixed_point.hpp"
#include "sim/round/plan_sums.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

TEST(RoundSums, WeighByExamplesUniformlyOrByRealWeights) {
  const std::vector<std::int64_t> examples = {3, 10, 1, 7, 40};
  const std::vector<double> values = {1.25, -3, 100, 0.1, -7.5}, real = {0.3, 1, 0.77, 1e-9, 0.05};
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "examples", .weighting = Weighting::examples},
                        {.name = "uniform", .weighting = Weighting::uniform},
                        {.name = "real", .weighting = Weighting::real}};
  const auto of = [](const auto& list, const Participation& p) { return list[value(p.client)]; };
  strategy->value = [&](const Participation& p, std::size_t) { return of(values, p); };
  strategy->weight = [&](const Participation& p) { return of(real, p); };

  const auto expect_means = [&](const std::vector<double>& commits, bool whole) {
    const Played played = play(scripted(std::make_shared<UnequalTask>(examples), strategy,
                                        all_clients(whole ? std::vector<double>{} : commits), 2),
                               1, {2, 1});
    for (std::size_t channel = 0; channel < 3; ++channel) {
      double sum = 0, total = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        double own = 1;
        if (channel == 0) own = examples[i];
        if (channel == 2) own = real[i];
        double weight = own * commits[i];
        if (channel == 2 || !whole) weight = std::round(weight * 0x1p24) * 0x1p-24;  // units of real weights
        sum += weight * values[i];
        total += weight;
      }
      const std::string name = strategy->declared[channel].name;
      expect_close(played.strategy.tensor(fmt::format("weight {}", channel)), {total}, 1e-15, name + " weight");
      expect_close(played.strategy.tensor(fmt::format("mean {}", channel)), {sum / total}, 1e-13, name + " mean");
    }
  };
  expect_means({1, 1, 1, 1, 1}, true);
  expect_means({0.5, 1.0 / 3, 1, 0, 1 / std::sqrt(7.0)}, false);
  EXPECT_NE(std::round(0.3 * 0x1p24) * 0x1p-24, 0.3);  // so the test distinguishes rounded weights from exact ones
}

TEST(RoundSums, UseTheWeightingOfTheExperiment) {
  const std::vector<std::int64_t> examples = {1, 9};
  const auto strategy = std::make_shared<Scripted>();
  strategy->value = [](const Participation& p, std::size_t) { return value(p.client); };
  Federation parts = scripted(std::make_shared<UnequalTask>(examples), strategy);
  expect_close(play(parts, 1).last(), {0.5}, 1e-12, "as the strategy says");
  parts.sums.weighting = Weighting::examples;
  expect_close(play(parts, 1).last(), {0.9}, 1e-12, "by examples");
}

TEST(RoundSums, StayExactAtTheBound) {
  for (const double bound : {1e-30, 1.0, 100.0}) {
    for (const std::int64_t many : {std::int64_t{1}, std::int64_t{1000003}, std::int64_t{1} << 30}) {
      for (const double sign : {1.0, -1.0}) {
        const auto strategy = std::make_shared<Scripted>();
        strategy->declared = {{.name = "value", .weighting = Weighting::examples, .bound = bound}};
        strategy->value = [&](const Participation&, std::size_t) { return sign * bound; };
        const Played played =
            play(scripted(std::make_shared<UnequalTask>(std::vector<std::int64_t>(37, many)), strategy), 1, {3, 1});
        EXPECT_EQ(played.records[0].rejected, 0);
        // Sums use at least 61 bits; the total weight, at most 37 2^30 < 2^36, leaves 25 of them for a value.
        EXPECT_NEAR(numbers(played.strategy.tensor("mean 0"))[0] / (sign * bound), 1, 1e-7) << bound << ", " << many;
      }
    }
  }
}

// The largest magnitude that a sum can reach: every client at the bound, with the weight that the engine gives it.
__int128 largest_sum(const ChannelScale& scale, double bound, const std::vector<double>& weights) {
  __int128 sum = 0;
  for (const double weight : weights) {
    const std::int64_t units = std::llround(weight / scale.weight_unit);
    // Integer weights multiply after rounding, others before.
    __int128 value = fixed(scale.weight_unit == 1 ? bound : bound * units * scale.weight_unit, scale.exponent);
    if (scale.weight_unit == 1) value *= units;
    sum += value;
  }
  return sum;
}

TEST(RoundSums, CannotOverflowForAnyWeightsAndBounds) {
  constexpr __int128 most = std::numeric_limits<std::int64_t>::max();
  const double tiny = 0x1p-25;  // half a unit of real weights: it is rounded up to a whole unit
  struct Case {
    std::int64_t clients, examples;
    double commit, largest_weight;
  };
  const std::vector<Case> cases = {{1, 1, 1, 1},          {3, 5, tiny, 1},          {1 << 20, 1, tiny, 1},
                                   {1000, 1, 0.3, 1e-9},  {7, 1 << 30, 1, 1e6},     {4096, 3, 1e-12, tiny},
                                   {1, 1, 1e-300, 1e-40}, {100, 1 << 20, 0.999, 3}, {1 << 20, 1, 1.5 * 0x1p-24, 1}};
  for (const Case& c : cases) {
    const UnequalTask task(std::vector<std::int64_t>(1, c.examples));
    const RoundPlan round{.commits = std::vector<Commit>(c.clients, Commit{.weight = c.commit})};
    const std::vector<Participation> committed(c.clients);
    for (const double bound : {1.0, std::nextafter(1.0, 0.0), 256.0, 1e-30, 1e30, 0.75, 1 / 3.0}) {
      std::vector<Wire> wires;
      for (const Weighting weighting : {Weighting::examples, Weighting::uniform, Weighting::real}) {
        wires.push_back(plain_wire(
            {.name = "values", .size = 1, .weighting = weighting, .bound = bound, .largest_weight = c.largest_weight},
            at::kFloat));
      }
      const AggregationPlan plan = plan_sums(wires, round, committed, task);
      const double examples = c.examples;
      const double own[] = {examples, 1, c.largest_weight};
      for (std::size_t i = 0; i < wires.size(); ++i) {
        const std::vector<double> weights(c.clients, own[i] * c.commit);
        const __int128 sum = largest_sum(plan.scales[i], bound, weights);
        EXPECT_LE(sum, most) << "weighting " << i << ": " << c.clients << " clients of weight " << weights[0]
                             << ", bound " << bound;
        // At most four bits of the range are unused, unless a weight is below its unit.
        EXPECT_TRUE(weights[0] < 1 || sum > most >> 4) << "weighting " << i << ", bound " << bound;
      }
    }
  }
}

}  // namespace
}  // namespace shoal
