#pragma once
// Clipped gaps to a hinted teacher on a few likely tokens per position: the distillation half of Hybrid RL.

#include "sim/agents/surrogate.hpp"

namespace shoal {

/// OpenClaw-RL, version 2 (arXiv 2603.10165v2), section 3 and appendix A.6. Per position, over a support S of the
/// vocabulary: w = softmax of log pi_old over S, Delta = clip(log pi_T - log pi_old, +-C), and the loss is the sum over
/// S of the clipped surrogate with advantage w Delta. Ratios are never renormalised within S.
class HintGaps {
 public:
  explicit HintGaps(const Settings& s);

  /// Adds `weight` times the mean over positions to `gradient`; returns that mean. The teacher reads the chosen hint,
  /// or none where the sample has no hint.
  double loss(const Sample& sample, double weight, RowView<double> gradient) const;

 private:
  enum class Support { student, teacher, overlap };
  enum class Choice { sequence, token, shortest, random };

  struct Slopes;  // the loss of one position, and the tokens of its support with their derivatives

  int best_hint(const Sample& sample, std::size_t first, std::size_t last) const;
  Slopes slopes(const Position& p, const double* teacher, int vocabulary) const;

  double low_, high_, gap_;
  int k_;
  Support support_;
  Choice choice_;
};

}  // namespace shoal
