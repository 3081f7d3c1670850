#pragma once
// A judge for tests that does what it is told.

#include "sim/agents/judge.hpp"

namespace shoal::test {

/// Votes as it is told, hints right.
class Voter final : public Judge {
 public:
  explicit Voter(double vote) : vote_(vote) {}
  Judgement judge(const Evidence& evidence, RandomStream&) const override {
    return {.reward = evidence.reward < 0 ? vote_ : 1, .hint = evidence.directive ? Hint::right : Hint::none};
  }

 private:
  double vote_;
};

}  // namespace shoal::test
