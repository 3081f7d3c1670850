#pragma once
// From judged replies to a gradient: the same for a study, for the asynchronous pipeline and for a federation's
// clients.

#include <vector>

#include "sim/agents/objective.hpp"
#include "sim/agents/policy.hpp"

namespace shoal {

/// A served reply with what came back about it.
struct JudgedReply {
  std::vector<Token> prompt;
  Reply reply;
  double temperature = 1;
  Signals signals;
  std::vector<std::vector<Token>> hinted;  ///< the prompt with each hint in it, from the shortest to the longest
  double draw = 0;                         ///< for objectives that choose at random
  std::int64_t version = 0;                ///< of the weights that served it
};

/// Where teachers' and earlier log-probabilities come from; all [d].
struct Weights {
  at::Tensor current;       ///< that are trained
  at::Tensor old;           ///< before the update; undefined: `current`
  at::Tensor teacher;       ///< frozen or live
  bool anchor = false;      ///< the teacher is asked about replies without a hint too
  bool measure_kl = false;  ///< to the teacher without hints: one more pass
};

/// Of one batch: means over its replies.
struct BatchMeasures {
  double loss = 0;
  double kl = 0;       ///< to the teacher without a hint, where it was asked: k3 estimate per sampled token
  double entropy = 0;  ///< of the policy, per token, in nats
  double length = 0;   ///< tokens of a reply
  double gradient_norm = 0;
  std::int64_t rejected =
      0;  ///< replies whose loss or log-probabilities are not finite: they have no part in the gradient
};

class Learner {
 public:
  /// Both must outlive it. For one thread.
  Learner(const Policy& policy, const Objective& objective) : objective_(objective), worker_(policy.rollout_worker()) {}

  /// Overwrites `gradient` [d] with the mean over the batch of the gradients of the replies' losses. Empty replies have
  /// no loss, but count.
  BatchMeasures gradient(const Weights& weights, std::span<const JudgedReply> batch, at::Tensor& gradient);

 private:
  struct Scored;
  void score(Scored& scored, const at::Tensor& weights);

  const Objective& objective_;
  std::unique_ptr<RolloutWorker> worker_;
};

}  // namespace shoal
