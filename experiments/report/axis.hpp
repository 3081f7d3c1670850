#pragma once
// The scale of an axis: the positions of values, and its ticks.

#include <string>
#include <vector>

namespace shoal {

struct Tick {
  double value = 0;
  std::string label;
};

struct Axis {
  double low = 0, high = 1;
  bool logarithmic = false;
  std::vector<Tick> ticks;

  /// 0 at `low`, 1 at `high`; outside of [0, 1] beyond them.
  double position(double value) const;
};

/// Ticks at multiples of 1, 2 or 5 times a power of ten, about `wanted` of them.
/// From the tick at or below `low` to the one at or above `high`:
Axis rounded_axis(double low, double high, int wanted);
/// Exactly from `low` to `high`:
Axis fitted_axis(double low, double high, int wanted);
/// Whole powers of ten around positive `low` and `high`, at most about `wanted` ticks.
Axis logarithmic_axis(double low, double high, int wanted);

}  // namespace shoal
