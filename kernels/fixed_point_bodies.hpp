#pragma once
// Arithmetic that the host and device forms of the exact sum share.

#include <bit>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/fixed_point.hpp"

namespace shoal {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

// Without their sign, IEEE values order like integers, with infinity and then NaN on top. The integer maximum
// vectorises without permission to assume finite numbers, and NaN cannot slip through it.
template <class T>
SHOAL_HD Bits<T> magnitude(T x) {
  return std::bit_cast<Bits<T>>(x) & std::numeric_limits<Bits<T>>::max();
}

template <class T>
SHOAL_HD RowRange range_of(Bits<T> largest) {
  const double value = std::bit_cast<T>(largest);
  if (value <= std::numeric_limits<double>::max()) return {true, value};
  return {false, std::numeric_limits<double>::infinity()};
}

inline double power_of_two(int exponent) {
  if (exponent < -largest_exponent || exponent > largest_exponent)
    throw std::invalid_argument("fixed-point exponent of " + std::to_string(exponent) + " (limit " +
                                std::to_string(largest_exponent) + ")");
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

/// Throws the std::overflow_error of a row whose product would_overflow.
[[noreturn]] void refuse_product(std::size_t row, double max_abs, std::int64_t weight, int exponent);

template <class T>
SHOAL_HD T mean_value(std::int64_t sum, double unit, double total_weight) {
  return sum * unit / total_weight;
}

inline void require_total_weight(double total_weight) {
  if (!(total_weight > 0 && total_weight <= std::numeric_limits<double>::max()))
    throw std::invalid_argument("total weight of " + std::to_string(total_weight) + " (must be positive)");
}

}  // namespace shoal
