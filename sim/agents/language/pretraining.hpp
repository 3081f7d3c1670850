#pragma once
// Pretraining of a policy on the small language, and an evaluation of the result.

#include <array>
#include <cstdint>
#include <functional>

#include "sim/agents/language/hint_gain.hpp"
#include "sim/agents/users/talk.hpp"

namespace shoal {

struct Pretraining {
  std::uint64_t seed = 1;
  std::int64_t steps = 6000;
  int batch = 64;      // lessons per step
  double rate = 4e-3;  // peak learning rate of Adam: warm-up over 100 steps, then half a cosine down to 0
  double clip = 1;     // gradients of a larger norm are scaled down to it
};

/// Supervised learning of talk::lesson() from `start` [d]: the mean next-token loss over the replies of a step's
/// lessons, by Adam. Returns the parameters [d]. Calls `progress`, where given, with the number of steps done. Works
/// for any policy.
at::Tensor pretrain(const Policy& policy, const at::Tensor& start, const Pretraining& options,
                    const std::function<void(std::int64_t)>& progress = {});

/// Evaluation of a policy on lessons and questions that it was not trained on; replies are sampled at temperature 1.
struct Fluency {
  using PerRule = std::array<double, talk::rules>;

  double loss = 0;     // next-token loss on replies of lessons, in nats
  double unigram = 0;  // loss of the best unigram model, which knows only the frequencies of tokens
  double correct = 0;  // share of right answers to questions without instruction
  // Shares of replies that satisfy each rule: without instruction, after a correction, with a hint.
  PerRule uninstructed{}, corrected{}, hinted{};
  HintGain gain;
};
/// Measured on 600 lessons and, for each rule, 300 conversations.
Fluency fluency(const Policy& policy, const at::Tensor& params, std::uint64_t seed);

}  // namespace shoal
