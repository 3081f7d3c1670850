#pragma once
// Replies that are small enough to compute objectives by hand.

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "sim/agents/objective.hpp"
#include "sim/settings/settings.hpp"

namespace shoal::test {

inline constexpr double tolerance = 1e-6;

inline std::unique_ptr<Objective> objective(const std::string& toml) {
  return make_part<Objective>("objective", "binary_rl", Settings::parse(toml, "test.toml"));
}

using Logs = std::vector<double>;

inline Logs logs(std::initializer_list<double> probabilities) {
  Logs out;
  for (const double p : probabilities) out.push_back(std::log(p));
  return out;
}

// One position, vocabulary of 6: student, teacher, sampled token 0, vote +1.
struct OnePosition {
  Logs old = logs({0.40, 0.30, 0.15, 0.10, 0.04, 0.01});
  Logs current = old;
  Logs teacher = logs({0.20, 0.50, 0.10, 0.10, 0.05, 0.05});
  Signals signals{.reward = 1, .hints = 1};
  std::array<double, 6> slopes{};

  double loss(const std::string& toml) {
    const Position position{.token = 0, .current = current.data(), .old = old.data(), .rolled = old[0]};
    const double* const hinted = teacher.data();
    const Sample sample{.signals = signals,
                        .vocabulary = 6,
                        .positions = {&position, 1},
                        .teachers = {&hinted, 1},
                        .teacher_without_hint = {}};
    slopes.fill(0);
    return objective(toml)->loss(sample, {slopes.data(), 1, 6});
  }
  // Derivatives with respect to the logits.
  std::array<double, 6> gradient() const {
    double total = 0;
    for (const double x : slopes) total += x;
    std::array<double, 6> g;
    for (std::size_t v = 0; v < 6; ++v) g[v] = slopes[v] - std::exp(current[v]) * total;
    return g;
  }
};

}  // namespace shoal::test
