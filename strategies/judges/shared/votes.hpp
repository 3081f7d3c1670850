#pragma once
// Concurrent calls of a judge that vote, some of which may fail, and their cost.

#include "sim/agents/judge.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// Probability that a majority of `votes` votes is wrong if one vote is wrong with probability `single`. With
/// probability `correlation` all votes are the same, otherwise they are independent, so that any two have this
/// correlation. A tie is not wrong.
double wrong_majority(double single, int votes, double correlation);

/// The inverse: the probability with which one vote must be wrong so that the majority is wrong with probability
/// `majority`.
double single_vote_rate(double majority, int votes, double correlation);

/// Concurrent calls of a judge. With the default settings they draw no random numbers.
class Votes {
 public:
  explicit Votes(const Settings& s);

  /// True if there is one vote, which never fails.
  bool single() const { return votes_ == 1 && failure_ == 0; }
  double single_rate(double majority) const { return single_vote_rate(majority, votes_, correlation_); }

  /// Each vote is `right`, flipped with probability `wrong`; failed calls do not count. Fills reward, mean_vote, valid.
  void cast(Judgement& judgement, double right, double wrong, RandomStream& random) const;

  /// Fills seconds and tokens: log-normal, both from one draw per call, since a call that writes more takes longer.
  void spend(Judgement& judgement, RandomStream& random) const;

 private:
  int votes_;
  double correlation_, failure_, seconds_, tokens_, spread_;
};

}  // namespace shoal
