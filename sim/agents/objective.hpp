#pragma once
// Objectives: the loss of one judged reply. One file per objective in strategies/objectives.
//
// Notation of OpenClaw-RL (arXiv 2603.10165): pi_theta is the policy that is trained, pi_old the policy at the start of
// the update, pi_T the teacher, which is the policy's frozen (or live) copy with a hint in its context.

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/view.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// Signals about a reply.
struct Signals {
  double reward = 0;     // the judge's majority vote: +1, -1; 0: a tie, or no verdict
  double advantage = 0;  // from a comparison with other rollouts of the task, where there are any
  int hints = 0;         // number of valid hints, each a text that says what should have been different
  bool judged = false;   // whether there is a verdict. Without one the reward says nothing and must not count as 0
};

/// One position of a reply, or `count` identical positions. Pointers are to log-probabilities over the whole vocabulary
/// [V].
struct Position {
  int token = 0;  // the sampled token
  double count = 1;
  const double* current = nullptr;  // log pi_theta
  const double* old = nullptr;      // log pi_old
  double rolled = 0;                // log-probability of `token` under the policy that sampled it
  /// The place of the policy before the update between the one that sampled (0) and pi_theta (1), in versions:
  /// (v_old - v_rolled) / (v_theta - v_rolled). 1 where pi_theta has not moved yet, as in updates of one step.
  double proximity = 1;
};

/// One reply as objectives see it. The caller masks positions for which a teacher has no value: they are not listed.
struct Sample {
  Signals signals;
  int vocabulary = 0;  // V
  std::span<const Position> positions;
  /// log pi_T per hint and position, [hints, positions]; hints from the shortest to the longest.
  std::span<const double* const> teachers;
  /// log pi_T without a hint, [positions], for replies that have no hint; empty where the task does not score them. The
  /// gap to a frozen teacher is then a KL penalty against the untrained policy.
  std::span<const double* const> teacher_without_hint;
  double draw = 0;  // uniform in [0, 1): for objectives that choose at random

  const double* teacher(int hint, std::size_t position) const { return teachers[hint * positions.size() + position]; }
  /// Number of positions, each counted `count` times.
  double length() const {
    double sum = 0;
    for (const Position& p : positions) sum += p.count;
    return sum;
  }
};

class Objective {
 public:
  virtual ~Objective() = default;
  /// Whether a reply with these signals counts towards the batch. It may have no gradient nevertheless.
  virtual bool takes(const Signals& signals) const = 0;
  /// The sample's loss, the mean over its positions. Adds its derivatives with respect to log pi_theta of every token
  /// to `gradient` [positions, V]; the caller propagates them to logits and parameters.
  virtual double loss(const Sample& sample, RowView<double> gradient) const = 0;
};

template <>
std::span<const Part<Objective>> parts<Objective>();  // generated from strategies/objectives

}  // namespace shoal
