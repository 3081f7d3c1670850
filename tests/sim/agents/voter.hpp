#pragma once
// A judge for tests, with a given vote.

#include "sim/agents/judge.hpp"

namespace shoal::test {

/// Votes `vote` on failures and +1 otherwise; its hints are right.
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
