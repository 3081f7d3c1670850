#pragma once
// Tails of the number X of marked members among `drawn` ones of a population.

#include <cstdint>

namespace shoal {

/// log Pr[X = x]; -infinity where that is impossible.
double log_hypergeometric(std::int64_t population, std::int64_t marked, std::int64_t drawn, std::int64_t x);

/// Both tails are summed from their far end, where the terms are smallest: the difference of 1 and a sum would lose
/// them. Terms follow from their neighbours, in logarithms.
class Hypergeometric {
 public:
  Hypergeometric(std::int64_t population, std::int64_t marked, std::int64_t drawn);

  /// The smallest x with Pr[X > x] <= limit.
  std::int64_t exceeded_at_most(double limit) const;
  /// The smallest x with Pr[X <= x] >= limit.
  std::int64_t reached_at_least(double limit) const;
  /// Pr[X < x].
  double below(std::int64_t x) const;

 private:
  double log_of(std::int64_t x) const { return log_hypergeometric(population_, marked_, drawn_, x); }
  std::int64_t first_that_counts(std::int64_t end) const;
  double log_ratio(std::int64_t x) const;

  std::int64_t population_, marked_, drawn_, least_, most_;
};

}  // namespace shoal
