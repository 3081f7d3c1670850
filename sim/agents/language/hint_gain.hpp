#pragma once
// The hint gain of a policy: on-policy distillation learns nothing from a teacher that does not use its hints.

#include <cstdint>

#include "sim/agents/policy.hpp"

namespace shoal {

/// G = E[log pi(reply | question, hint) - log pi(reply | question)] over replies from the language that satisfy the
/// hint's rule, in nats per reply; with its 95 % interval over questions (normal approximation).
struct HintGain {
  /// Any extra tokens in the context change the probability of a reply: with random weights by up to 0.2 nats in
  /// either direction (30 seeds, width 64). Hence a bound above 0.
  static constexpr double least = 0.25;

  double mean = 0, low = 0, high = 0;
  /// Whether claims about hints may be made: the interval lies above `least`.
  bool open() const { return low > least; }
};

/// The gain of `policy` at `params` [d], from 600 questions, 100 for each rule.
HintGain hint_gain(const Policy& policy, const at::Tensor& params, std::uint64_t seed);

}  // namespace shoal
