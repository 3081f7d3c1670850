#pragma once
// What policy-gradient objectives share: the clipped surrogate, and what is done about samples of an older policy.

#include <algorithm>
#include <cmath>

#include "sim/agents/objective.hpp"
#include "sim/settings.hpp"

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

/// Off-policy correction: how samples of an older policy are weighted. Ratios are clipped around pi_prox, which is
/// pi_old except under `approximate`.
enum class OffPolicy {
  none,         // no weights
  truncated,    // each token's loss times min(pi_old / pi_rolled, cap): truncated importance sampling
  sequence,     // the reply's loss times min(product of its tokens' ratios, cap)
  decoupled,    // each token's loss times pi_old / pi_rolled: decoupled PPO (arXiv 2505.24298)
  approximate,  // as decoupled, with pi_prox interpolated between pi_rolled and pi_theta, which saves pi_old's pass
};

/// Settings that every clipped objective reads.
class Surrogate {
 public:
  explicit Surrogate(const Settings& s);

  /// For the positions of one reply.
  class OfReply {
   public:
    OfReply(const Surrogate& surrogate, const Sample& sample);
    /// The surrogate at the sampled token of `p`. Weights and pi_prox count as constants.
    Term at(const Position& p, double advantage) const;

   private:
    const Surrogate& surrogate_;
    double weight_ = 1;  // of the sequence
  };
  OfReply of(const Sample& sample) const { return {*this, sample}; }

 private:
  double low_, high_, cap_;
  OffPolicy off_policy_ = OffPolicy::none;
};

}  // namespace shoal
