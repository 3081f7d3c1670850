// Are quantized values unbiased, on the codec's levels, independent between clients and channels, and as small as they
// should be?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "sim/task/quadratic.hpp"
#include "tests/sim/round/scripted.hpp"
#include "tests/strategies/codecs/fixed_rows.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

TEST(Quantize, RoundsToLevelsOfTheLargestMagnitude) {
  // One client; 3 bits: levels -3 to 3 of a third of the scale each.
  const std::vector<double> row = {6, -6, 2, 0, 3, -1.5, 0.25, 5};
  const Federation parts =
      fixed_rows(1, 8, "{name = \"quantize\", bits = 3}", [&](const Participation&, std::int64_t j) { return row[j]; });
  const std::vector<double> sent = moves(parts, 1)[0];
  for (std::size_t j = 0; j < row.size(); ++j) {
    const double level = sent[j] / 2;  // 6 / 3
    EXPECT_NEAR(level, std::round(level), 1e-6) << "value " << j;
    EXPECT_LT(std::abs(sent[j] - row[j]), 2) << "value " << j;
  }
  EXPECT_NEAR(sent[0], 6, 1e-6);
  EXPECT_NEAR(sent[1], -6, 1e-6);
  EXPECT_NEAR(sent[2], 2, 1e-6);
  EXPECT_EQ(sent[3], 0);
  for (const ClientRow& client : play(parts, 1).records[0].clients) EXPECT_EQ(client.figures.bytes_up, 3 + 4);
}

TEST(Quantize, IsUnbiasedAndIndependentOverClients) {
  // The mean over n clients of a value with fraction f of a level has the standard deviation
  // level sqrt(f (1 - f) / n). Five of them are exceeded by chance once in 1.7 million.
  constexpr std::int64_t n = 4000;
  const std::vector<double> row = {1, 0.1, -0.2, 0.45, -0.7, 1.0 / 3};
  const Federation parts =
      fixed_rows(n, 6, "{name = \"quantize\", bits = 2}", [&](const Participation&, std::int64_t j) { return row[j]; });
  const std::vector<double> sent = moves(parts, 1)[0];
  for (std::size_t j = 1; j < row.size(); ++j) {
    const double f = std::abs(row[j]);  // one level is 1
    EXPECT_LT(std::abs(sent[j] - row[j]), 5 * std::sqrt(f * (1 - f) / n)) << "value " << j;
    EXPECT_NE(sent[j], row[j]) << "value " << j << " was not rounded at random";
  }
}

TEST(Quantize, DrawsAnewInEveryChannelAndRound) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "a", .weighting = Weighting::uniform}, {.name = "b", .weighting = Weighting::uniform}};
  // 64 equal values have a norm of 8 of them, which is 7 levels: each is 7/8 of a level. Two independent roundings
  // agree with a probability of (7/8)^2 + (1/8)^2, in all coordinates with 1e-7.
  Federation parts = scripted(std::make_shared<UnequalTask>(1, 64), strategy, all_clients());
  parts.codecs = {part<Codec>("codec", "quantize", "bits = 4\nscale = \"l2\"")};
  const Played one = play(parts, 1), two = play(parts, 2);
  const std::vector<double> a = numbers(one.strategy.tensor("mean 0")), b = numbers(one.strategy.tensor("mean 1"));
  const std::vector<double> later = numbers(two.strategy.tensor("mean 0"));
  EXPECT_NE(a, b);
  EXPECT_NE(a, later);
  EXPECT_GT(*std::ranges::max_element(a), 0);
}

TEST(Quantize, RoundsTheValuesThatTopKSends) {
  constexpr std::int64_t size = 10;
  const Federation parts = fixed_rows(1, size, "[{name = \"top_k\", keep = 0.3}, {name = \"quantize\", bits = 8}]",
                                      [](const Participation&, std::int64_t j) { return j == 4 ? 10.0 : 0.1 * j; });
  const Played played = play(parts, 1);
  const std::vector<double> sent = moves(parts, 1)[0];
  EXPECT_NEAR(sent[4], 10, 1e-5);
  EXPECT_NEAR(sent[9], 0.9, 10.0 / 127);
  EXPECT_NEAR(sent[8], 0.8, 10.0 / 127);
  for (const std::size_t j : {0, 1, 2, 3, 5, 6, 7}) EXPECT_EQ(sent[j], 0) << "value " << j;
  // Three positions of 4 bytes, three values of 8 bits, one scale.
  EXPECT_EQ(played.records[0].clients[0].figures.bytes_up, 3 * 4 + 3 + 4);
  // The values that top_k has left are remembered; the error of rounding is not.
  const std::vector<double> memory = numbers(played.memory.at(ClientId{0}).at(0));
  EXPECT_NEAR(memory[7], 0.7, 1e-12);
  EXPECT_EQ(memory[4], 0);
}

TEST(Quantize, LearnsAQuadratic) {
  // Unbiased rounding moves the fixed point of FedAvg on average nowhere: with decreasing noise (the scale is that of
  // the update, which shrinks) the model converges where plain FedAvg does.
  const std::string task =
      "[task]\nname = \"quadratic\"\nprecision = \"float64\"\ncurvatures = [1, 1]\noptima = [3, 5]\n"
      "[planner]\ncohort = 2\n[local]\nrate = 0.1\nsteps = 1\n";
  const double plain = numbers(play(federation(task), 200).last())[0];
  const double quantized = numbers(play(federation("codec = \"quantize\"\n" + task), 200).last())[0];
  EXPECT_NEAR(plain, 4, 1e-6);
  // Clients' updates do not vanish at the optimum: each is 0.1 in magnitude, and a single value is its own scale, so it
  // is rounded to itself but for float32.
  EXPECT_NEAR(quantized, plain, 1e-5);
}

// One local step of rate r moves the mean model by r h (mean optimum - x), so an error of the model shrinks by 1 - r h
// in a round, and rounding adds one of less than a level of the largest update, r h D / 127 with D the largest distance
// of an optimum from the model. All rounds together stay below D / 127.
TEST(Quantize, KeepsTheModelWithinALevel) {
  const std::string task =
      "[task]\nname = \"quadratic\"\nprecision = \"float64\"\nclients = 6\ndimension = 20\n"
      "[planner]\ncohort = 6\n[local]\nrate = 0.1\nsteps = 1\n";
  const Federation parts = federation(task), rounded = federation("codec = \"quantize\"\n" + task);
  const Played plain = play(parts, 60), quantized = play(rounded, 60);
  const auto& quadratic = dynamic_cast<const Quadratic&>(*parts.task);
  double largest = 0;
  for (std::int64_t client = 0; client < 6; ++client) {
    std::vector<double> optimum(20);
    quadratic.optimum(ClientId{client}, optimum.data());
    for (const Played* played : {&plain, &quantized}) {
      for (const at::Tensor& params : played->params) {
        const std::vector<double> model = numbers(params);
        for (std::size_t j = 0; j < 20; ++j) largest = std::max(largest, std::abs(optimum[j] - model[j]));
      }
      for (const double value : optimum) largest = std::max(largest, std::abs(value));  // the start is 0
    }
  }
  double apart = 0;
  for (std::size_t round = 0; round < 60; ++round) {
    const std::vector<double> a = numbers(plain.params[round]), b = numbers(quantized.params[round]);
    for (std::size_t j = 0; j < 20; ++j) apart = std::max(apart, std::abs(a[j] - b[j]));
  }
  EXPECT_LT(apart, largest / 127);
  EXPECT_GT(apart, 0);
}

}  // namespace
}  // namespace shoal
