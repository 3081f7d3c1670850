#pragma once
// Hints that judges give when a user has said what should have been different.

#include "sim/agents/judge.hpp"

namespace shoal {

class Hints {
 public:
  explicit Hints(const Settings& s)
      : recall_(s.number("hint_recall", 1, "probability that a hint is found where the user gave one", between(0, 1))),
        wrong_(s.number("wrong_hint_rate", 0, "share of hints that tell another user's rule: shuffled hints at 1",
                        between(0, 1))) {
    const std::string kind = s.choice("hints", "right", {"right", "opposite", "irrelevant", "none"},
                                      "what hints say: the user's rule, its opposite, something else, or nothing");
    kind_ = kind == "right"      ? Hint::right
            : kind == "opposite" ? Hint::opposite
            : kind == "none"     ? Hint::none
                                 : Hint::irrelevant;
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
