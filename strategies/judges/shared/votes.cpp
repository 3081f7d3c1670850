#include "strategies/judges/shared/votes.hpp"

#include <algorithm>
#include <cmath>

namespace shoal {

double wrong_majority(double single, int votes, double correlation) {
  double independent = 0;
  for (int wrong = votes / 2 + 1; wrong <= votes; ++wrong) {
    const double ways = std::exp(std::lgamma(votes + 1) - std::lgamma(wrong + 1) - std::lgamma(votes - wrong + 1));
    independent += ways * std::pow(single, wrong) * std::pow(1 - single, votes - wrong);
  }
  return correlation * single + (1 - correlation) * independent;
}

double single_vote_rate(double majority, int votes, double correlation) {
  if (votes == 1 || majority <= 0 || majority >= 1) return majority;
  double low = 0, high = 1;  // the majority's rate grows with the single vote's
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    if (wrong_majority(middle, votes, correlation) < majority) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return (low + high) / 2;
}

Votes::Votes(const Settings& s)
    : votes_(s.integer("votes", 1, "number of concurrent calls; their majority counts, a tie is 0", between(1, 99))),
      correlation_(s.number("vote_correlation", 0,
                            "correlation of any two votes: with this probability all are the same", between(0, 1))),
      failure_(s.number("failure", 0, "probability that a call fails; its vote is ignored", between(0, 1))),
      seconds_(s.number("latency", 0, "median seconds of a call", at_least(0))),
      tokens_(s.number("tokens", 0, "median tokens that a call writes", at_least(0))),
      spread_(s.number("spread", 0.5, "standard deviation of the logarithm of latency and of tokens", at_least(0))) {}

void Votes::cast(Judgement& judgement, double right, double wrong, RandomStream& random) const {
  const bool same = correlation_ > 0 && random.uniform() < correlation_;
  bool flipped = false;
  double sum = 0;
  judgement.valid = 0;
  for (int v = 0; v < votes_; ++v) {
    if (v == 0 || !same) flipped = random.uniform() < wrong;
    if (failure_ > 0 && random.uniform() < failure_) continue;
    sum += flipped ? -right : right;
    ++judgement.valid;
  }
  judgement.reward = 0;
  if (sum > 0) judgement.reward = 1;
  if (sum < 0) judgement.reward = -1;
  judgement.mean_vote = judgement.valid == 0 ? 0 : sum / judgement.valid;
}

void Votes::spend(Judgement& judgement, RandomStream& random) const {
  if (seconds_ == 0 && tokens_ == 0) return;
  for (int v = 0; v < votes_; ++v) {
    const double factor = std::exp(spread_ * random.normal());
    judgement.seconds = std::max(judgement.seconds, seconds_ * factor);
    judgement.tokens += tokens_ * factor;
  }
}

}  // namespace shoal
