#pragma once
// What policy-gradient objectives share: the clipped surrogate, and what is done about samples of an older policy.

#include <algorithm>
#include <cmath>

#include "sim/agents/objective.hpp"

namespace shoal {

/// A loss term and its derivative with respect to one log-probability.
struct Term {
  double loss = 0, slope = 0;
};

/// max(-A rho, -A clip(rho, 1 - low, 1 + high)) with rho = exp(log_ratio), the log-ratio clamped to +-20. Schulman et
/// al. 2017 (arXiv 1707.06347), eq. 7; different bounds as in DAPO (arXiv 2503.14476).
inline Term clipped_surrogate(double advantage, double log_ratio, double low, double high) {
  const double rho = std::exp(std::clamp(log_ratio, -20.0, 20.0));
  const double free = -advantage * rho, clipped = -advantage * std::clamp(rho, 1 - low, 1 + high);
  return free >= clipped ? Term{free, free} : Term{clipped, 0};
}

/// The penalty k3 = exp(d) - 1 - d with d = log pi_ref - log pi_theta, clamped to +-10 as a guard. Schulman's blog note
/// "Approximating KL divergence" (2020).
inline Term k3_penalty(double reference, double current) {
  const double d = std::clamp(reference - current, -10.0, 10.0);
  const bool inside = std::abs(reference - current) < 10;
  return {std::exp(d) - 1 - d, inside ? 1 - std::exp(d) : 0};
}

/// Settings that every clipped objective reads.
class Surrogate {
 public:
  explicit Surrogate(const Settings& s)
      : low_(s.number("clip_low", 0.2, "the importance ratio is clipped below 1 minus this", between(0, 1))),
        high_(s.number("clip_high", 0.28, "and above 1 plus this", at_least(0))),
        cap_(s.number("ratio_cap", 2, "of truncated importance sampling and decoupled PPO", positive())) {
    const std::string kind = s.choice(
        "correction", "none", {"none", "truncated", "decoupled"},
        "for samples of an older policy: none; the loss times min(pi_old / pi_rolled, cap), pi_old taken now; or the "
        "same without the cap (decoupled PPO, arXiv 2505.24298)");
    truncates_ = kind == "truncated";
    corrects_ = kind != "none";
  }

  /// The surrogate at the sampled token of `p`.
  Term at(const Position& p, double advantage) const {
    Term term = clipped_surrogate(advantage, p.current[p.token] - p.old[p.token], low_, high_);
    const double weight = off_policy_weight(p);
    return {term.loss * weight, term.slope * weight};
  }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double off_policy_weight(const Position& p) const {
    if (!corrects_) return 1;
    const double ratio = std::exp(std::clamp(p.old[p.token] - p.rolled, -20.0, 20.0));
    return truncates_ ? std::min(ratio, cap_) : ratio;
  }

  double low_, high_, cap_;
  bool truncates_ = false, corrects_ = false;
};

}  // namespace shoal
