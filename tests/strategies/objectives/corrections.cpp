// Policy-gradient objectives clip importance ratios and correct for samples of an older policy.

#include <gtest/gtest.h>

#include "sim/agents/surrogate.hpp"
#include "tests/strategies/objectives/positions.hpp"

namespace {

using shoal::Position;
using shoal::Sample;
using shoal::test::Logs;
using shoal::test::logs;
using shoal::test::objective;
using shoal::test::OnePosition;
using shoal::test::tolerance;

TEST(Surrogate, ClipsOnTheSideThatMatters) {
  const auto term = [](double advantage, double rho) {
    return shoal::clipped_surrogate(advantage, std::log(rho), 0.2, 0.28);
  };
  EXPECT_NEAR(term(1, 1.5).loss, -1.28, tolerance);
  EXPECT_EQ(term(1, 1.5).slope, 0);
  EXPECT_NEAR(term(1, 0.5).loss, -0.5, tolerance);
  EXPECT_NEAR(term(1, 0.5).slope, -0.5, tolerance);
  EXPECT_NEAR(term(-1, 1.5).loss, 1.5, tolerance);
  EXPECT_NEAR(term(-1, 0.5).loss, 0.8, tolerance);
  EXPECT_EQ(term(-1, 0.5).slope, 0);
  EXPECT_NEAR(shoal::k3_penalty(std::log(0.4), std::log(0.2)).loss, 0.306853, tolerance);
}

TEST(Corrections, WeightSamplesOfAnOlderPolicy) {
  const auto weight = [](const std::string& correction, double log_ratio) {
    OnePosition one;
    const Position position{
        .token = 0, .current = one.old.data(), .old = one.old.data(), .rolled = one.old[0] - log_ratio};
    const Sample sample{.signals = {.reward = -1},
                        .vocabulary = 6,
                        .positions = {&position, 1},
                        .teachers = {},
                        .teacher_without_hint = {}};
    std::array<double, 6> slopes{};
    return objective("name = 'binary_rl'\ncorrection = '" + correction + "'")->loss(sample, {slopes.data(), 1, 6});
  };
  EXPECT_NEAR(weight("truncated", -0.5), 0.606531, tolerance);
  EXPECT_NEAR(weight("truncated", 0), 1, tolerance);
  EXPECT_NEAR(weight("truncated", 0.5), 1.648721, tolerance);
  EXPECT_NEAR(weight("truncated", 1), 2, tolerance);
  EXPECT_NEAR(weight("decoupled", 1), std::exp(1), tolerance);
  EXPECT_NEAR(weight("none", 1), 1, tolerance);
}

// Two positions that count once and one that counts twice; pi_old / pi_rolled is e^0.1, e^-0.3, e^0.2.
class StaleReply {
 public:
  Logs current = logs({0.42, 0.29, 0.14, 0.10, 0.04, 0.01}), old = logs({0.40, 0.30, 0.15, 0.10, 0.04, 0.01});
  double proximity = 1;

  double loss(const std::string& toml) {
    const std::array<Position, 3> positions{at(0, 1, 0.1), at(1, 1, -0.3), at(2, 2, 0.2)};
    const Sample sample{
        .signals = {.reward = -1}, .vocabulary = 6, .positions = positions, .teachers = {}, .teacher_without_hint = {}};
    slopes.fill(0);
    return objective("name = 'binary_rl'\n" + toml)->loss(sample, {slopes.data(), 3, 6});
  }
  std::array<double, 18> slopes{};

 private:
  Position at(int token, double count, double log_ratio) const {
    return {.token = token,
            .count = count,
            .current = current.data(),
            .old = old.data(),
            .rolled = rolled_[token] - log_ratio,
            .proximity = proximity};
  }
  Logs rolled_ = old;
};

TEST(Corrections, WeightRepliesAsAWhole) {
  StaleReply reply;
  const double none = reply.loss("correction = 'none'");
  EXPECT_NEAR(none, (0.42 / 0.40 + 0.29 / 0.30 + 2 * 0.14 / 0.15) / 4, tolerance);
  const double weight = std::exp(0.1 - 0.3 + 2 * 0.2);
  EXPECT_NEAR(reply.loss("correction = 'sequence'"), none * weight, tolerance);
  EXPECT_NEAR(reply.slopes[0], 0.42 / 0.40 / 4 * weight, tolerance);
  EXPECT_NEAR(reply.loss("correction = 'sequence'\nratio_cap = 1.1"), none * 1.1, tolerance);
}

TEST(Corrections, InterpolateTheProximalPolicy) {
  // A token has probability 0.40 now and had 0.20 when it was sampled; the old policy is halfway in versions: pi_prox =
  // sqrt(0.40 x 0.20) = 0.282843; weight 1.414214; ratio 1.414214, clipped at 1.28 for vote +1 but not for -1.
  OnePosition one;
  const auto loss = [&](double reward, double proximity) {
    const Position position{.token = 0,
                            .current = one.old.data(),
                            .old = one.teacher.data(),  // must not matter
                            .rolled = std::log(0.20),
                            .proximity = proximity};
    const Sample sample{.signals = {.reward = reward},
                        .vocabulary = 6,
                        .positions = {&position, 1},
                        .teachers = {},
                        .teacher_without_hint = {}};
    one.slopes.fill(0);
    return objective("name = 'binary_rl'\ncorrection = 'approximate'")->loss(sample, {one.slopes.data(), 1, 6});
  };
  EXPECT_NEAR(loss(-1, 0.5), 2, tolerance);
  EXPECT_NEAR(one.slopes[0], 2, tolerance);
  EXPECT_NEAR(loss(1, 0.5), -1.28 * std::sqrt(2), tolerance);
  EXPECT_EQ(one.slopes[0], 0);
  EXPECT_NEAR(loss(-1, 1), 2, tolerance);     // pi_prox is pi_theta: all of it is weight
  EXPECT_NEAR(loss(1, 0), -1.28, tolerance);  // pi_prox is what sampled: all of it is ratio

  // Decoupled PPO, whose gradient finite differences check, is the same with pi_old at the interpolated policy.
  StaleReply reply;
  reply.proximity = 0.7;
  const double interpolated = reply.loss("correction = 'approximate'");
  const std::array<double, 18> slopes = reply.slopes;
  constexpr std::array log_ratios{0.1, -0.3, 0.2};
  for (std::size_t v = 0; v < 3; ++v) {
    const double rolled = reply.old[v] - log_ratios[v];
    reply.old[v] = rolled + 0.7 * (reply.current[v] - rolled);
  }
  EXPECT_NEAR(reply.loss("correction = 'decoupled'"), interpolated, 1e-12);
  for (std::size_t i = 0; i < slopes.size(); ++i) EXPECT_NEAR(reply.slopes[i], slopes[i], 1e-12) << i;
}

}  // namespace
