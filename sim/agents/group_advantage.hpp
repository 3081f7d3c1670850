#pragma once
// Advantages by comparison within a group of rollouts of one task, and rewards of steps.

#include <cstdint>
#include <span>
#include <vector>

namespace shoal {

/// (r - mean) / (population deviation + 1e-6). Empty where all rewards are equal: such a group has no gradient and
/// is dropped. GRPO: Shao et al. 2024 (arXiv 2402.03300), eq. 10.
std::vector<double> group_advantages(std::span<const double> rewards);

/// Advantages from the rewards of the steps of each rollout of a group; lengths may differ. Steps with the same index
/// are standardised together, as in OpenClaw-RL (arXiv 2603.10165), section 3; an index that only one rollout reached
/// keeps its raw reward; where all rewards of an index are equal, its steps are dropped (NaN). A reward of NaN is that
/// of a step without a verdict: it is compared with no other and stays NaN, and a verdict that is alone among steps
/// without one is dropped, since there is nothing to compare it with.
std::vector<std::vector<double>> step_advantages(const std::vector<std::vector<double>>& rewards);

/// The outcome plus `weight` times the mean of the valid votes; NaN marks an invalid one. NaN if none is valid, unless
/// votes have no weight: the outcome alone would count a missing verdict as a vote of 0.
double integrated_reward(double outcome, std::span<const double> votes, double weight);

/// The reward of a wrong answer after `calls` calls of tools: min(-0.6, -1 + 0.05 (calls - 2)), a smaller penalty for
/// more attempts. OpenClaw-RL (arXiv 2603.10165).
double wrong_answer_reward(std::int64_t calls);

}  // namespace shoal
