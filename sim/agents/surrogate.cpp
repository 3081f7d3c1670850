#include "sim/agents/surrogate.hpp"

namespace shoal {
namespace {

constexpr double most_log_ratio = 20;

double ratio(double log_ratio) { return std::exp(std::clamp(log_ratio, -most_log_ratio, most_log_ratio)); }

}  // namespace

Surrogate::Surrogate(const Settings& s)
    : low_(s.number("clip_low", 0.2, "the importance ratio is clipped below 1 minus this", between(0, 1))),
      high_(s.number("clip_high", 0.28, "the importance ratio is clipped above 1 plus this", at_least(0))),
      cap_(s.number("ratio_cap", 2, "largest weight in truncated importance sampling, by token or by reply",
                    positive())) {
  using enum OffPolicy;
  off_policy_ = s.choice(
      "correction", none,
      {{"none", none},
       {"truncated", truncated},
       {"sequence", sequence},
       {"decoupled", decoupled},
       {"approximate", approximate}},
      "for samples of an older policy: none; the loss times min(pi_old / pi_rolled, cap), by token or by reply; the "
      "same by token without the cap (decoupled PPO, arXiv 2505.24298); or that with pi_old interpolated between "
      "pi_rolled and pi_theta (AReaL, inclusionai.github.io/AReaL/algorithms/prox_approx.html)");
}

double Surrogate::sequence_weight(const Sample& sample) const {
  if (off_policy_ != OffPolicy::sequence) return 1;
  double sum = 0;
  for (const Position& p : sample.positions) sum += p.count * (p.old[p.token] - p.rolled);
  return std::min(ratio(sum), cap_);
}

Term Surrogate::at(const Position& p, double advantage, double weight) const {
  const double current = p.current[p.token];
  const bool approximate = off_policy_ == OffPolicy::approximate;
  const double proximal = approximate ? p.rolled + p.proximity * (current - p.rolled) : p.old[p.token];
  if (off_policy_ == OffPolicy::truncated) weight = std::min(ratio(proximal - p.rolled), cap_);
  if (off_policy_ == OffPolicy::decoupled || approximate) weight = ratio(proximal - p.rolled);
  const Term term = clipped_surrogate(advantage, current - proximal, low_, high_);
  return {term.loss * weight, term.slope * weight};
}

}  // namespace shoal
