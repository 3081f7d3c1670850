#pragma once
// A check of numbers that come from a policy, a judge or a file.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace shoal {

/// True if no value is infinite or NaN.
template <class T>
bool all_finite(std::span<T> values) {
  return std::ranges::all_of(values, [](auto x) { return std::isfinite(x); });
}
inline bool all_finite(const std::vector<double>& values) { return all_finite(std::span(values)); }

}  // namespace shoal
