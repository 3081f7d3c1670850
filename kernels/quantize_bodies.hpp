#pragma once
// The arithmetic from a value to its code and the reduction to a scale: the same operations on host and device.

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/quantize.hpp"

namespace shoal::quantization {

/// Rounds the values of one row to levels.
struct Rounding {
  float lift, per_scale, levels;

  /// Scales near the ends of float's range are moved away from them, exactly, so that s / scale is an ordinary number.
  /// A scale of 0 makes every finite value 0.
  SHOAL_HD static Rounding of(float scale, int bits) {
    const float levels = largest_level(bits);
    if (scale == 0) return {0, 0, levels};
    float lift = 1;
    if (scale < 0x1p-60f) lift = 0x1p90f;
    if (scale > 0x1p60f) lift = 0x1p-90f;
    return {lift, levels / (scale * lift), levels};
  }

  SHOAL_HD std::uint16_t code(float x, std::uint32_t random) const {
    const float length = std::fabs(x) * lift * per_scale;
    const float capped = length < levels ? length : levels;
    const int below = capped;
    const int level = below + (uniform_float(random) < capped - below ? 1 : 0);
    return static_cast<int>(levels) + (x < 0 ? -level : level);
  }
};

/// Number of values in a segment of a scale's reduction, and of the partial results that it keeps side by side.
inline constexpr std::int64_t segment = 65'536;
inline constexpr int lanes = 256;

// A measure folds magnitudes into partial results. Sums are taken lane by lane, then the lanes fold in halves, then the
// segments in order: the same tree on host and device.
struct SumOfSquares {
  using Partial = double;
  SHOAL_HD static double add(double sum, float x) {
    const double wide = x;
    return sum + wide * wide;
  }
  SHOAL_HD static double fold(double a, double b) { return a + b; }
  SHOAL_HD static float finish(double sum, std::int64_t) { return std::sqrt(sum); }
};
struct SumOfMagnitudes {
  using Partial = double;
  SHOAL_HD static double add(double sum, float x) { return sum + std::fabs(x); }
  SHOAL_HD static double fold(double a, double b) { return a + b; }
  SHOAL_HD static float finish(double sum, std::int64_t d) { return d == 0 ? 0 : sum / d; }
};
/// Without their sign, floats order like integers, with infinity and then NaN on top.
struct Largest {
  using Partial = std::int32_t;
  SHOAL_HD static std::int32_t add(std::int32_t largest, float x) {
    return fold(largest, std::bit_cast<std::int32_t>(x) & 0x7fffffff);
  }
  SHOAL_HD static std::int32_t fold(std::int32_t a, std::int32_t b) { return a < b ? b : a; }
  SHOAL_HD static float finish(std::int32_t largest, std::int64_t) { return std::bit_cast<float>(largest); }
};

/// Calls with(measure) for the measure of a rule.
template <class With>
void with_measure(ScaleRule rule, const With& with) {
  if (rule == ScaleRule::l2_norm) return with(SumOfSquares{});
  if (rule == ScaleRule::largest) return with(Largest{});
  with(SumOfMagnitudes{});
}

/// Throws std::invalid_argument unless least <= bits <= 16.
void require_bits(int bits, int least);

}  // namespace shoal::quantization
