#pragma once
// Paired comparison of the arms of a study: replicate i meets the same world under every setting.

#include <string>

#include "experiments/report/studies.hpp"

namespace shoal {

/// The differences of two arms, replicate by replicate.
struct PairedDifference {
  std::int64_t pairs = 0;  // replicates that both arms have
  double mean = 0;         // first minus second
  double deviation = 0;    // sample standard deviation
  double half_width = 0;   // half of the 95 % interval of the mean, by Student's t; infinite below three pairs

  /// Zero lies outside of the interval.
  bool told_apart() const { return pairs >= 3 && (mean > half_width || mean < -half_width); }
  /// `pairs_needed`, rounded up.
  double needed() const;
};

PairedDifference paired_difference(const Arm& first, const Arm& second);

/// How many pairs a two-sided test at 95 % needs to find a difference of this size with probability 90 %:
/// ((z_0.975 + z_0.90) deviation / difference)^2. Infinite for no difference.
double pairs_needed(double difference, double deviation);

/// The 97.5 % point of Student's t distribution with two degrees of freedom or more, within 1 %.
double student_limit(double freedom);

/// One table per setting with every pair of its arms, and an explanation of the columns; empty if nothing is paired.
std::string paired_section(const Studies& studies);

}  // namespace shoal
