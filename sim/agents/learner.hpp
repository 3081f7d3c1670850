#pragma once
// From judged replies to a gradient: the same for the asynchronous pipeline and for clients of a federation.

#include <vector>

#include "sim/agents/objective.hpp"
#include "sim/agents/policy.hpp"

namespace shoal {

/// A served reply and the judge's signals about it.
struct JudgedReply {
  std::vector<Token> prompt;
  Reply reply;
  double temperature = 1;
  Signals signals;
  std::vector<std::vector<Token>> hinted;  // the prompt with each hint, from the shortest hint to the longest
  double draw = 0;                         // uniform in [0, 1), for objectives that choose at random
  std::int64_t version = 0;                // version of the weights that served it
};

/// Parameters [d] of the policies that a gradient involves.
struct Weights {
  at::Tensor current;          // the policy that is trained
  at::Tensor old;              // the policy before the update; undefined: `current`
  at::Tensor teacher;          // frozen or live
  bool kl_to_teacher = false;  // replies without a hint have a KL penalty to the teacher
  bool measure_kl = false;     // BatchMeasures::kl is measured for all replies, which costs one more pass
};

/// Means over the replies of one batch.
struct BatchMeasures {
  double loss = 0;
  double kl = 0;  // KL divergence to the teacher without a hint, where that was scored: k3 estimate per sampled token
  double entropy = 0;       // entropy of the policy per token, in nats
  double length = 0;        // tokens per reply
  std::int64_t tokens = 0;  // in all replies
  double gradient_norm = 0;
  std::int64_t rejected = 0;  // replies left out of the gradient: their loss or derivatives are not finite
};

class Learner {
 public:
  /// Policy and objective must outlive it. For one thread.
  Learner(const Policy& policy, const Objective& objective) : objective_(objective), worker_(policy.rollout_worker()) {}

  /// Overwrites `gradient` [d] with the mean over the batch of the gradients of the replies' losses. Empty replies
  /// have no loss, but they count.
  BatchMeasures gradient(const Weights& weights, std::span<const JudgedReply> batch, at::Tensor& gradient);

 private:
  const Objective& objective_;
  std::unique_ptr<RolloutWorker> worker_;
};

}  // namespace shoal
