#pragma once
// Hints that judges give when a user has said what should have been different.

#include "sim/agents/judge.hpp"

namespace shoal {

class Hints {
 public:
  explicit Hints(const Settings& s)
      : recall_(s.number("hint_recall", 1, "probability that a hint is found where the user gave one", between(0, 1))),
        wrong_(s.number("wrong_hint_rate", 0, "share of hints that name another user's rule; 1: hints are shuffled",
                        between(0, 1))) {
    kind_ = s.choice(
        "hints", Hint::right,
        {{"right", Hint::right}, {"opposite", Hint::opposite}, {"irrelevant", Hint::irrelevant}, {"none", Hint::none}},
        "what hints say: the user's rule, its opposite, something else, or nothing");
  }

  Hint read(const Evidence& evidence, RandomStream& random) const {
    if (!evidence.directive || kind_ == Hint::none) return Hint::none;
    if (random.uniform() >= recall_) return Hint::none;
    return random.uniform() < wrong_ ? Hint::another_rule : kind_;
  }

 private:
  double recall_, wrong_;
  Hint kind_;
};

}  // namespace shoal
