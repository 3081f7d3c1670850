// Does the clipping bound follow the clients' norms by the paper's rule?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Client i returns (records[i], 0, ...), whose norm is |records[i]|.
class Records final : public Strategy {
 public:
  explicit Records(std::vector<double> records) : records_(std::move(records)) {}
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform)};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    at::Tensor rows = at::zeros_like(clients.train(server.params()).delta.dense());
    for (std::int64_t k = 0; k < clients.count(); ++k) {
      rows[k][0] = records_[value(clients.participations()[k].client)];
    }
    return Rows(rows);
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().copy_(groups[0].mean());
  }

 private:
  std::vector<double> records_;
};

// A federation with this strategy, in which all clients take part in every round.
Federation recording(std::vector<double> records, const std::string& stage) {
  Federation parts = federation(fmt::format(
      "[task]\nname = \"quadratic\"\nclients = {0}\ndimension = 3\nprecision = \"float64\"\n[local]\nblock = 3\n"
      "[planner]\ncohort = {0}\n[[stages]]\nname = \"adaptive_clip\"\n{1}",
      records.size(), stage));
  parts.strategy = std::make_shared<Records>(std::move(records));
  return parts;
}

double bound_of(const FederationState& state, int place = 1) {
  return state.section(fmt::format("stage/{}/adaptive_clip", place)).tensor("bound").item<double>();
}

// The sum of the clipped records and the bound after each round.
std::vector<std::pair<double, double>> trace(const Federation& parts, int rounds, std::int64_t clients) {
  std::vector<std::pair<double, double>> found;
  run(parts, rounds, 1, 1, [&](const RoundRecord&, const FederationState& state, Communicator&, Trainers&) {
    found.emplace_back(state.strategy().params()[0].item<double>() * clients, bound_of(state));
  });
  return found;
}

// The traces come from TensorFlow Privacy's tests of quantile-adaptive clipping in its geometric form.
TEST(AdaptiveClip, AgreesWithTensorFlowPrivacy) {
  const std::string ln2 = fmt::format("rate = {}\n", std::numbers::ln2);
  const double root = std::numbers::sqrt2;
  const std::vector<std::pair<double, double>> down = {
      {2.5, 8}, {2.5, 4}, {1.5, 4 / root}, {4 / root - 2.5, 2}, {0, 2}};
  const auto found_down = trace(recording({5, -2.5}, ln2 + "initial = 16\nquantile = 0\n"), 5, 2);
  const std::vector<std::pair<double, double>> up = {{0, 1}, {0, 2}, {0.5, 2 * root}, {2 * root - 1.5, 4}, {1.5, 4}};
  const auto found_up = trace(recording({-1.5, 3}, ln2 + "initial = 0.5\nquantile = 1\n"), 5, 2);
  for (std::size_t round = 0; round < 5; ++round) {
    EXPECT_NEAR(found_down[round].first, down[round].first, 1e-12) << "sum of round " << round;
    EXPECT_NEAR(found_down[round].second, down[round].second, 1e-12) << "bound after round " << round;
    EXPECT_NEAR(found_up[round].first, up[round].first, 1e-12) << "sum of round " << round;
    EXPECT_NEAR(found_up[round].second, up[round].second, 1e-12) << "bound after round " << round;
  }
}

TEST(AdaptiveClip, TracksTheQuantileOfNorms) {
  std::vector<double> records;  // norms evenly spaced in [0, 10]
  for (int i = 0; i < 21; ++i) records.push_back(0.5 * i);
  for (const auto& [quantile, expected] : {std::pair{0.5, 5.0}, {0.9, 9.0}, {0.2, 2.0}}) {
    const auto found = trace(recording(records, fmt::format("quantile = {}\n", quantile)), 150, 21);
    // The norms are 0.5 apart, and the bound moves between the two of them that are next to the quantile.
    EXPECT_NEAR(found.back().second, expected, 0.5) << quantile;
  }
}

// Half of the clients arrive with bounds of older versions; the bound still settles at the median of the norms.
TEST(AdaptiveClip, SendsItsBoundWithEachVersion) {
  std::vector<double> records;
  for (int i = 0; i < 60; ++i) records.push_back(1 + 0.05 * i);
  Federation parts = federation(
      "[task]\nname = \"quadratic\"\nclients = 60\nprecision = \"float64\"\n[population]\nspeed_sigma = 1\n"
      "[planner]\nname = \"fed_buff\"\nconcurrency = 20\nbuffer = 10\n[[stages]]\nname = \"adaptive_clip\"\n");
  parts.strategy = std::make_shared<Records>(records);
  double sum = 0;
  int live = 0;
  run(parts, 200, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    std::set<double> bounds;
    for (const auto& [version, message] : state.messages) {
      bounds.insert(message.tensors.at("stage/1/adaptive_clip/bound").item<double>());
    }
    live = std::max<int>(live, bounds.size());
    if (record.round > 100) sum += bound_of(state);
  });
  EXPECT_GT(live, 2);
  EXPECT_NEAR(sum / 100, 2.475, 0.3);
}

TEST(AdaptiveClip, CountsItsMessages) {
  const Federation with = recording({1, 2}, ""), without = [] {
    Federation parts = recording({1, 2}, "");
    parts.stages.clear();
    return parts;
  }();
  const auto bytes = [](const Federation& parts) {
    std::pair<std::int64_t, std::int64_t> found;
    run(parts, 1, 1, 1, [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) {
      found = {record.bytes_down, record.bytes_up};
    });
    return found;
  };
  EXPECT_EQ(bytes(with).first - bytes(without).first, 2 * 8);    // the bound
  EXPECT_EQ(bytes(with).second - bytes(without).second, 2 * 8);  // the bit, as a float64
}

TEST(AdaptiveClip, LeavesOutRejectedClients) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const auto found = trace(recording({0.05, 0.5, nan, infinity}, ""), 1, 2);
  EXPECT_NEAR(found[0].first, 0.05 + 0.1, 1e-12);
  EXPECT_NEAR(found[0].second, 0.1, 1e-15);  // one of two is within the bound, so it does not change
}

TEST(AdaptiveClip, KeepsTwoStagesApart) {
  // No client is within either bound, so that each follows its own noise only.
  const std::string stage = "initial = 1e-9\nrate = 1e-3\nquantile = 0\nbit_noise = 3\n";
  const Federation parts = recording({1, 2, 3, 4}, stage + "[[stages]]\nname = \"adaptive_clip\"\n" + stage);
  EXPECT_NO_THROW(parts.check());
  EXPECT_EQ(parts.channels().size(), 3U);
  run(parts, 5, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    EXPECT_NE(bound_of(state, 1), bound_of(state, 2));
    EXPECT_EQ(record.measures.at("adaptive_clip_1.bound"), bound_of(state, 1));
    EXPECT_EQ(record.measures.at("adaptive_clip_2.bound"), bound_of(state, 2));
  });
}

TEST(AdaptiveClip, AddsNoiseToTheBits) {
  // No client is within the bound, so bound *= exp(-rate (noise / clients - quantile)).
  const std::string stage = "initial = 1e-9\nrate = 1e-3\nquantile = 0\nbit_noise = 3\n";
  const auto found = trace(recording({1, 2, 3, 4}, stage), 2000, 4);
  double squares = 0, before = 1e-9;
  for (const auto& [sum, bound] : found) {
    const double noise = -4e3 * std::log(bound / before);
    squares += noise * noise;
    before = bound;
  }
  EXPECT_NEAR(std::sqrt(squares / 2000), 3, 5 * 3 / std::sqrt(2 * 2000.0));  // five standard errors
}

TEST(AdaptiveClip, HasTheSameBitsOnAnyRanks) {
  const Federation parts = federation(
      "[task]\nname = \"quadratic\"\nclients = 50\ndimension = 20\n[local]\nblock = 3\n[planner]\ncohort = 13\n"
      "[[stages]]\nname = \"adaptive_clip\"\nbit_noise = 0.7\n");
  std::set<std::string> hashes;
  std::set<double> bounds;
  std::mutex mutex;
  for (const auto& [ranks, threads] : {std::pair{1, 1}, {1, 2}, {2, 1}, {3, 2}, {5, 1}}) {
    hashes.insert(run(parts, 10, ranks, threads,
                      [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
                        const std::lock_guard lock(mutex);
                        if (record.round == 10) bounds.insert(bound_of(state));
                      }));
  }
  EXPECT_EQ(hashes.size(), 1U);
  EXPECT_EQ(bounds.size(), 1U);
}

}  // namespace
}  // namespace shoal
