// Do the objectives of agents have the losses and gradients of their papers? One position by hand, everything else by
// finite differences.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/strategies/objectives/positions.hpp"

namespace {

using shoal::Objective;
using shoal::Position;
using shoal::Sample;
using shoal::test::Logs;
using shoal::test::logs;
using shoal::test::objective;
using shoal::test::OnePosition;
using shoal::test::tolerance;

Logs log_softmax(const Logs& z) {
  double sum = 0;
  for (const double x : z) sum += std::exp(x);
  Logs out = z;
  for (double& x : out) x -= std::log(sum);
  return out;
}

// Values worked out by hand from the formulas of arXiv 2603.10165, sections 3.1 to 3.3 and appendix A.6.
TEST(Objectives, OfOnePositionByHand) {
  OnePosition one;
  EXPECT_NEAR(one.loss("name = 'binary_rl'"), -1, tolerance);
  EXPECT_NEAR(one.loss("name = 'opd_token'"), 0.693147, tolerance);
  EXPECT_NEAR(one.loss("name = 'combined'"), -0.306853, tolerance);
  EXPECT_NEAR(one.loss("name = 'opd_reverse_kl'\nk = 2"), 0.124011, tolerance);
  EXPECT_NEAR(one.loss("name = 'opd_reverse_kl'\nk = 3"), 0.141679, tolerance);
  EXPECT_NEAR(one.loss("name = 'opd_reverse_kl'\nk = 6"), 0.159811, tolerance);
  EXPECT_NEAR(one.loss("name = 'opd_top_k'\nk = 3\ngap = 0.5"), 0.130376, tolerance);
  EXPECT_NEAR(one.loss("name = 'hybrid'\nk = 3"), 0.217448 - 1, tolerance);
  EXPECT_NEAR(one.loss("name = 'accepted_replies'"), -std::log(0.4), tolerance);
  EXPECT_NEAR(one.loss("name = 'oel'\nk = 2"), 0.124011, tolerance);
  EXPECT_NEAR(one.loss("name = 'oel'\nk = 1"), 0.3 * std::log(0.6) + 0.7 * std::log(1.4), tolerance);
  EXPECT_NEAR(one.loss("name = 'oel'\nk = 1\nsupport = 'student'"), 0.4 * std::log(2) + 0.6 * std::log(0.75),
              tolerance);
  // The teacher gives 0.5 and 0.2 and leaves 0.3 to four tokens, two of which have bins of their own.
  EXPECT_NEAR(one.loss("name = 'oel'\nk = 4\nsupport = 'student'\ntold = 2"),
              0.4 * std::log(2) + 0.3 * std::log(0.6) + 0.15 * std::log(0.15 / 0.075) + 0.1 * std::log(0.1 / 0.075) +
                  0.05 * std::log(0.05 / 0.15),
              tolerance);
}

TEST(Objectives, HintGapsHaveTheGradientByHand) {
  OnePosition one;
  EXPECT_NEAR(one.loss("name = 'opd_top_k'\nk = 3"), 0.217448, tolerance);
  const std::array<double, 6> expected{0.239208, -0.245526, 0.038935, -0.021745, -0.008698, -0.002174};
  for (std::size_t v = 0; v < 6; ++v) EXPECT_NEAR(one.gradient()[v], expected[v], tolerance) << v;
}

TEST(Objectives, HintGapsClipRatios) {
  OnePosition one;
  one.current = logs({0.35, 0.35, 0.15, 0.10, 0.04, 0.01});
  EXPECT_NEAR(one.loss("name = 'opd_top_k'\nk = 3"), 0.146626, tolerance);
  one.current = logs({0.30, 0.40, 0.15, 0.10, 0.04, 0.01});
  EXPECT_NEAR(one.loss("name = 'opd_top_k'\nk = 3"), 0.101729, tolerance);
  EXPECT_EQ(one.slopes[1], 0);  // both bounds are passed
}

TEST(Objectives, TakeWhatTheyCanUse) {
  const shoal::Signals nothing{}, vote{.reward = 1}, rejected{.reward = -1}, hinted{.reward = -1, .hints = 1};
  for (const char* all : {"binary_rl", "hybrid"})
    EXPECT_TRUE(objective("name = '" + std::string(all) + "'")->takes(nothing));
  for (const char* hints : {"opd_token", "opd_top_k", "opd_reverse_kl", "oel"}) {
    EXPECT_FALSE(objective("name = '" + std::string(hints) + "'")->takes(vote)) << hints;
    EXPECT_TRUE(objective("name = '" + std::string(hints) + "'")->takes(hinted)) << hints;
  }
  EXPECT_FALSE(objective("name = 'combined'")->takes(nothing));
  EXPECT_TRUE(objective("name = 'combined'")->takes(vote));
  EXPECT_FALSE(objective("name = 'accepted_replies'")->takes(rejected));
}

// A reply of five positions under random logits with three hints; pi_old is close to pi_theta, so that ratios differ
// from 1 but no clipping bound lies within a finite difference.
class RandomReply {
 public:
  static constexpr std::size_t length = 5, vocabulary = 7, hints = 3;

  explicit RandomReply(unsigned seed) : random_(seed) {
    for (std::size_t i = 0; i < length; ++i) {
      logits_.push_back(normal(1));
      Logs near = logits_.back();
      for (double& x : near) x += 0.02 * gauss_(random_);
      old_.push_back(log_softmax(near));
      tokens_.push_back(random_() % vocabulary);
    }
    for (std::size_t i = 0; i < hints * length; ++i) teachers_.push_back(log_softmax(normal(1)));
    for (std::size_t i = 0; i < length; ++i) without_hint_.push_back(log_softmax(normal(1)));
  }

  double loss(const Objective& objective, shoal::Signals signals, Logs* gradient = nullptr) const {
    std::vector<Logs> current;
    for (const Logs& z : logits_) current.push_back(log_softmax(z));
    std::vector<Position> positions;
    for (std::size_t i = 0; i < length; ++i) {
      positions.push_back({.token = tokens_[i],
                           .count = i % 2 == 0 ? 1.0 : 2.0,
                           .current = current[i].data(),
                           .old = old_[i].data(),
                           .rolled = old_[i][tokens_[i]] - 0.1});
    }
    std::vector<const double*> teachers, without_hint;
    for (std::size_t i = 0; i < signals.hints * length; ++i) teachers.push_back(teachers_[i].data());
    for (const Logs& q : without_hint_) without_hint.push_back(q.data());
    const Sample sample{.signals = signals,
                        .vocabulary = vocabulary,
                        .positions = positions,
                        .teachers = teachers,
                        .teacher_without_hint = signals.hints > 0 ? std::span<const double* const>{} : without_hint,
                        .draw = 0.7};
    Logs slopes(length * vocabulary);
    const double loss = objective.loss(sample, {slopes.data(), length, vocabulary});
    if (gradient == nullptr) return loss;
    gradient->clear();
    for (std::size_t i = 0; i < length; ++i) {
      double total = 0;
      for (std::size_t v = 0; v < vocabulary; ++v) total += slopes[i * vocabulary + v];
      for (std::size_t v = 0; v < vocabulary; ++v)
        gradient->push_back(slopes[i * vocabulary + v] - std::exp(current[i][v]) * total);
    }
    return loss;
  }
  double& logit(std::size_t i) { return logits_[i / vocabulary][i % vocabulary]; }

 private:
  Logs normal(double deviation) {
    Logs z(vocabulary);
    for (double& x : z) x = deviation * gauss_(random_);
    return z;
  }
  std::mt19937 random_;
  std::normal_distribution<double> gauss_;
  std::vector<Logs> logits_, old_, teachers_, without_hint_;
  std::vector<int> tokens_;
};

class EveryObjective : public testing::TestWithParam<std::string> {};

TEST_P(EveryObjective, HasTheGradientOfItsLoss) {
  const auto part = objective(GetParam());
  for (unsigned seed = 1; seed <= 20; ++seed) {
    for (const shoal::Signals signals : {shoal::Signals{.reward = 1, .advantage = -0.7, .hints = 3},
                                         {.reward = -1, .advantage = 1.3, .hints = 1},
                                         {.reward = 1},
                                         {.hints = 2}}) {
      if (!part->takes(signals)) continue;
      RandomReply reply(seed);
      Logs gradient;
      reply.loss(*part, signals, &gradient);
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        constexpr double step = 1e-6;
        const double at = reply.logit(i);
        reply.logit(i) = at + step;
        const double above = reply.loss(*part, signals);
        reply.logit(i) = at - step;
        const double below = reply.loss(*part, signals);
        reply.logit(i) = at;
        EXPECT_NEAR(gradient[i], (above - below) / (2 * step), 1e-7)
            << GetParam() << ", seed " << seed << ", logit " << i;
      }
    }
  }
}

// Every part with its defaults, and the forms of some.
std::vector<std::string> all_objectives() {
  std::vector<std::string> all = {"name = 'binary_rl'\nkl = 0.02",
                                  "name = 'binary_rl'\ncorrection = 'decoupled'",
                                  "name = 'opd_reverse_kl'\nk = 3",
                                  "name = 'oel'\nk = 2",
                                  "name = 'oel'\nk = 3\nsupport = 'student'\ntold = 2",
                                  "name = 'combined'\ncorrection = 'sequence'",
                                  "name = 'opd_top_k'\nsupport = 'overlap'\nhint = 'token'",
                                  "name = 'opd_top_k'\nsupport = 'teacher'\nhint = 'random'",
                                  "name = 'hybrid'\nhint = 'shortest'\ngap = 0"};
  for (const shoal::Part<Objective>& part : shoal::parts<Objective>()) {
    all.push_back("name = '" + std::string(part.name) + "'");
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, EveryObjective, testing::ValuesIn(all_objectives()));

TEST(Objectives, ChooseTheHintWithMostOverlap) {
  OnePosition one;
  const Logs far = logs({0.01, 0.04, 0.10, 0.15, 0.30, 0.40});
  const Position position{.token = 0, .current = one.current.data(), .old = one.old.data()};
  const std::array<const double*, 2> teachers{far.data(), one.teacher.data()};
  const Sample both{.signals = {.reward = 0, .hints = 2},
                    .vocabulary = 6,
                    .positions = {&position, 1},
                    .teachers = teachers,
                    .teacher_without_hint = {}};
  std::array<double, 6> slopes{};
  for (const char* choice : {"sequence", "token"}) {
    const auto part = objective("name = 'opd_top_k'\nk = 3\nhint = '" + std::string(choice) + "'");
    EXPECT_NEAR(part->loss(both, {slopes.data(), 1, 6}), 0.217448, tolerance) << choice;
  }
}

}  // namespace
