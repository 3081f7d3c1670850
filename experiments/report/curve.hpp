#pragma once
// A measure against rounds, virtual time or uploaded bytes: the mean of some seeds and the band that they fill.

#include <cstdint>
#include <vector>

#include "experiments/program/summary.hpp"

namespace shoal {

enum class Measure { accuracy, loss };
enum class Against { rounds, virtual_seconds, bytes_up };

struct CurvePoint {
  double x = 0;
  double mean = 0, low = 0, high = 0;  // over the seeds that have got as far as x
  std::int64_t seeds = 0;
};

struct Curve {
  std::vector<CurvePoint> points;  // x ascends
  std::int64_t seeds = 0;          // seeds with any value
  struct End {
    double x = 0, y = 0;
  };
  std::vector<End> diverged;  // the last values of cells that diverged
};

/// Between evaluations, values are interpolated linearly. The curve begins where all seeds have values, and continues
/// as long as a seed that did not finish (diverged, unfinished, at its target) or all finished ones have some.
Curve curve(const LabelSummary& summary, Measure measure, Against against);

}  // namespace shoal
