#pragma once
// Learning the small language before anybody uses a policy, and how well it then speaks.

#include <array>
#include <cstdint>
#include <functional>

#include "sim/agents/hint_gain.hpp"
#include "sim/agents/talk.hpp"

namespace shoal {

struct WarmUp {
  std::uint64_t seed = 1;
  std::int64_t steps = 6000;
  int batch = 64;      ///< lessons a step
  double rate = 4e-3;  ///< of Adam, at its highest: up over the first 100 steps, then down to 0 along half a cosine
  double clip = 1;     ///< longest gradient
};

/// Supervised learning of talk::lesson() from `start` [d]: mean next-word loss over the words of a step's replies, Adam
/// with betas 0.9 and 0.98. Gives the parameters [d]. `progress`, where given, hears the steps that are done. Works for
/// any policy.
at::Tensor warm_up(const Policy& policy, const at::Tensor& start, const WarmUp& options,
                   const std::function<void(std::int64_t)>& progress = {});

/// How a policy speaks, on questions and lessons that training has not seen; replies at temperature 1.
struct Fluency {
  double loss = 0;      ///< next-word loss on replies of lessons, nats a word
  double baseline = 0;  ///< the same for a worker who knows the frequencies of words alone
  double correct = 0;   ///< share of right answers to plain questions
  std::array<double, talk::rules> plain{}, told{}, hinted{};  ///< share of replies that satisfy each rule: without
                                                              ///< instruction, after a correction, with a hint
  HintGain gain;
};
/// From 600 lessons and, for each rule, 300 conversations.
Fluency fluency(const Policy& policy, const at::Tensor& params, std::uint64_t seed);

}  // namespace shoal
