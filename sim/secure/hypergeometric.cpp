#include "sim/secure/hypergeometric.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace shoal {
namespace {

double log_factorial(double n) { return std::lgamma(n + 1); }

double log_choose(double n, double k) { return log_factorial(n) - log_factorial(k) - log_factorial(n - k); }

}  // namespace

double log_hypergeometric(std::int64_t population, std::int64_t marked, std::int64_t drawn, std::int64_t x) {
  const std::int64_t unmarked = population - marked;
  if (x < 0 || x > marked || x > drawn || drawn - x > unmarked) return -std::numeric_limits<double>::infinity();
  return log_choose(marked, x) + log_choose(unmarked, drawn - x) - log_choose(population, drawn);
}

Hypergeometric::Hypergeometric(std::int64_t population, std::int64_t marked, std::int64_t drawn)
    : population_(population),
      marked_(marked),
      drawn_(drawn),
      least_(std::max<std::int64_t>(0, drawn - (population - marked))),
      most_(std::min(marked, drawn)) {}

std::int64_t Hypergeometric::exceeded_at_most(double limit) const {
  std::int64_t x = first_that_counts(most_);
  double term = log_of(x), tail = std::exp(term);
  while (tail <= limit && x > least_) {
    term -= log_ratio(x - 1);
    --x;
    tail += std::exp(term);
  }
  return x;
}

std::int64_t Hypergeometric::reached_at_least(double limit) const {
  std::int64_t x = first_that_counts(least_);
  double term = log_of(x), tail = std::exp(term);
  while (tail < limit && x < most_) {
    term += log_ratio(x);
    ++x;
    tail += std::exp(term);
  }
  return x;
}

double Hypergeometric::below(std::int64_t x) const {
  double sum = 0;
  for (std::int64_t y = least_; y < std::min(x, most_ + 1); ++y) sum += std::exp(log_of(y));
  return sum;
}

// The term nearest to an end of the range that is not negligible; terms grow from either end to the middle.
std::int64_t Hypergeometric::first_that_counts(std::int64_t end) const {
  constexpr double negligible = -200;  // all terms beyond together are far below any limit
  if (log_of(end) > negligible) return end;
  const double mean = 1.0 * marked_ / population_ * drawn_;
  std::int64_t outside = end, inside = std::clamp(static_cast<std::int64_t>(mean), least_, most_);
  while (std::abs(inside - outside) > 1) {
    const std::int64_t middle = (inside + outside) / 2;
    (log_of(middle) > negligible ? inside : outside) = middle;
  }
  return inside;
}

// log of Pr[x + 1] / Pr[x]
double Hypergeometric::log_ratio(std::int64_t x) const {
  return std::log(static_cast<double>(marked_ - x) * static_cast<double>(drawn_ - x) /
                  (static_cast<double>(x + 1) * static_cast<double>(population_ - marked_ - drawn_ + x + 1)));
}

}  // namespace shoal
