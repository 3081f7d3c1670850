#include "sim/agents/group_advantage.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace shoal {

std::vector<double> group_advantages(std::span<const double> rewards) {
  if (rewards.empty() || std::ranges::all_of(rewards, [&](double r) { return r == rewards[0]; })) return {};
  const double n = rewards.size();
  double mean = 0, squares = 0;
  for (const double r : rewards) mean += r / n;
  for (const double r : rewards) squares += (r - mean) * (r - mean) / n;
  std::vector<double> advantages;
  for (const double r : rewards) advantages.push_back((r - mean) / (std::sqrt(squares) + 1e-6));
  return advantages;
}

std::vector<std::vector<double>> step_advantages(const std::vector<std::vector<double>>& rewards) {
  std::vector<std::vector<double>> advantages = rewards;
  std::size_t longest = 0;
  for (const auto& rollout : rewards) longest = std::max(longest, rollout.size());
  for (std::size_t step = 0; step < longest; ++step) {
    std::vector<std::size_t> who;
    std::vector<double> bucket;
    std::int64_t reached = 0;
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      if (step >= rewards[i].size()) continue;
      ++reached;
      if (std::isnan(rewards[i][step])) continue;
      who.push_back(i);
      bucket.push_back(rewards[i][step]);
    }
    if (reached == 1) continue;
    const std::vector<double> standardised = group_advantages(bucket);
    for (std::size_t i = 0; i < who.size(); ++i)
      advantages[who[i]][step] = standardised.empty() ? std::numeric_limits<double>::quiet_NaN() : standardised[i];
  }
  return advantages;
}

double integrated_reward(double outcome, std::span<const double> votes, double weight) {
  double sum = 0, valid = 0;
  for (const double vote : votes) {
    if (std::isnan(vote)) continue;
    sum += vote;
    ++valid;
  }
  if (weight == 0) return outcome;
  return valid > 0 ? outcome + weight * sum / valid : std::numeric_limits<double>::quiet_NaN();
}

double wrong_answer_reward(std::int64_t calls) { return std::min(-0.6, -1 + 0.05 * (calls - 2)); }

}  // namespace shoal
