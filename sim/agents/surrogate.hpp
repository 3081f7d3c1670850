#pragma once
// The clipped surrogate of policy-gradient objectives, and off-policy correction.

#include <algorithm>
#include <cmath>

#include "sim/agents/objective.hpp"
#include "sim/settings/settings.hpp"

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

/// Further terms of a sum over the positions of a reply.
struct SumTerms {
  double start = 0;  // the sum so far; to add it at the end would round differently
  double kl = 0;     // weight of the k3 penalty against the policy before the update
};

/// The clipped surrogate, with the settings of every objective that is built on it.
class Surrogate {
 public:
  explicit Surrogate(const Settings& s);

  /// `terms.start` plus the mean, over the positions of one reply, of the surrogate at the sampled tokens, where
  /// position i has the advantage advantage_of(i). Adds the mean's derivatives to `gradient` [positions, V].
  template <class AdvantageOf>
  double sum(const Sample& sample, RowView<double> gradient, AdvantageOf advantage_of, SumTerms terms = {}) const {
    double loss = terms.start;
    const double length = sample.length(), weight = sequence_weight(sample);
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      Term term = at(p, advantage_of(i), weight);
      if (terms.kl > 0) {
        const Term penalty = k3_penalty(p.old[p.token], p.current[p.token]);
        term.loss += terms.kl * penalty.loss;
        term.slope += terms.kl * penalty.slope;
      }
      const double share = p.count / length;
      loss += share * term.loss;
      gradient.at(i)[p.token] += share * term.slope;
    }
    return loss;
  }

 private:
  /// Weight of all tokens of a reply under OffPolicy::sequence; otherwise 1.
  double sequence_weight(const Sample& sample) const;
  /// The surrogate at the sampled token of `p`. Weights and pi_prox count as constants.
  Term at(const Position& p, double advantage, double weight) const;

  double low_, high_, cap_;
  OffPolicy off_policy_ = OffPolicy::none;
};

}  // namespace shoal
