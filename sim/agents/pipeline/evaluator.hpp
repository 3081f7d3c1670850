#pragma once
// How good weights are: replies to frozen questions that nobody trains on, always the same ones with the same draws.

#include <vector>

#include "sim/agents/pipeline/users.hpp"

namespace shoal::pipeline {

/// Means over replies, or over their tokens.
struct Quality {
  double rule_rate = 0;    ///< share of replies that satisfy the user's rules
  double correctness = 0;  ///< share with the right answer
  double kl = 0;           ///< from these weights to the untrained ones, per token, over the whole vocabulary
  double entropy = 0;      ///< per token, in nats
  double length = 0;       ///< tokens of a reply
};

class Evaluator {
 public:
  /// `questions` first turns of conversations for each user; 0: all measures are 0.
  Evaluator(const Policy& policy, const UserPool& pool, std::int64_t questions, const at::Tensor& untrained,
            std::uint64_t seed, std::int64_t replicate);
  Quality measure(const at::Tensor& weights);

 private:
  struct Case {
    const talk::User* user;
    talk::Question question;
    std::vector<Token> prompt;
    RandomStream random;
  };
  const UserPool& pool_;
  std::unique_ptr<RolloutWorker> worker_;
  at::Tensor untrained_;
  std::vector<Case> cases_;
};

}  // namespace shoal::pipeline
