#pragma once
// Evaluation of weights on questions that are not trained on.

#include <vector>

#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {

/// Means over replies, or over their tokens.
struct Quality {
  double rule_rate = 0;    // share of replies that satisfy the user's rules
  double correctness = 0;  // share of replies with the right answer
  double kl = 0;           // KL divergence from these weights to the untrained ones, per token
  double entropy = 0;      // entropy per token, in nats
  double length = 0;       // tokens per reply
};

/// Every call asks the same questions with the same draws, so that weights can be compared.
class Evaluator {
 public:
  /// Takes `questions` first turns of conversations for each user; without any, all measures are 0.
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
  std::vector<Reply> replies(const at::Tensor& weights);
  void compare(std::span<const Exchange> exchanges, Quality& quality);

  const UserPool& pool_;
  std::unique_ptr<RolloutWorker> worker_;
  at::Tensor untrained_;
  std::vector<Case> cases_;
};

}  // namespace shoal::pipeline
