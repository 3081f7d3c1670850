#pragma once
// The mean of a window of a sorted column, with bits that do not depend on the order in which its values are added, so
// that they need not be sorted: values are first rounded to a common unit that is small compared with the largest value
// and large enough that every partial sum is exact. Demmel, Nguyen: Fast reproducible floating-point summation, ARITH
// 2013.

#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <type_traits>

#include "kernels/host_device.hpp"

namespace shoal::order {

/// Adding and then subtracting it rounds a value to the unit: 1.5 * 2^p for the smallest p with
/// 2^p > 2 * values * largest. The unit is 2^(p - 52), at most values * largest * 2^-49.
SHOAL_HD constexpr double anchor(double largest, std::int64_t values) {
  const auto exponent = std::bit_cast<std::uint64_t>(largest * values) >> 52;
  return std::bit_cast<double>((exponent + 2) << 52 | std::uint64_t{1} << 51);
}

/// The unit for a sum of at most `values` values (counted with multiplicity) of type T and magnitude at most `largest`.
/// For float one unit is enough: 2^-36 of the largest value or less for up to 4,096 values. For double a second,
/// smaller unit takes what the first one rounds off.
template <class T>
class Unit {
 public:
  SHOAL_HD constexpr Unit(double largest, std::int64_t values)
      : scale_(largest > 0x1p900 ? 0x1p-100 : 1.0),  // leaves room for the sum
        coarse_(anchor(largest * scale_, values)),
        fine_(coarse_ * 0x1p-50 * std::bit_ceil(static_cast<std::uint64_t>(values))) {}

  /// The parts of a value; sums of each are exact.
  struct Parts {
    double coarse = 0, fine = 0;
    SHOAL_HD constexpr void add(const Parts& other, double times) {
      coarse += other.coarse * times;
      if constexpr (sizeof(T) == 8) fine += other.fine * times;
    }
  };

  SHOAL_HD constexpr Parts parts(T value) const {
    Parts result;
    const double x = value * scale_;
    result.coarse = (x + coarse_) - coarse_;
    if constexpr (sizeof(T) == 8) result.fine = ((x - result.coarse) + fine_) - fine_;
    return result;
  }

  SHOAL_HD constexpr T mean(const Parts& sum, std::int64_t count) const {
    return (sum.coarse + sum.fine) / count / scale_;
  }

  SHOAL_HD constexpr double scale() const { return scale_; }
  SHOAL_HD constexpr double coarse() const { return coarse_; }
  SHOAL_HD constexpr double fine() const { return fine_; }

 private:
  double scale_, coarse_, fine_;
};

/// The larger of two magnitudes.
template <class T>
SHOAL_HD constexpr double largest_of(T a, T b) {
  const double x = a < 0 ? -a : a;
  const double y = b < 0 ? -b : b;
  return x < y ? y : x;
}

/// The mean of two values, without overflow; equal values, also infinities, give that value.
template <class T>
SHOAL_HD constexpr T middle(T a, T b) {
  return a == b ? a : std::midpoint(a, b);
}

/// False for infinity and NaN.
template <class T>
SHOAL_HD constexpr bool is_finite(T x) {
  return x - x == 0;
}

}  // namespace shoal::order
