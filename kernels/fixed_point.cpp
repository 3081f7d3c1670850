#include "kernels/fixed_point.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/fixed_point_bodies.hpp"

namespace shoal {
namespace {

std::string text(double x) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", x);
  return digits;
}

}  // namespace

int unit_exponent(double total_weight, double bound) {
  const double product = total_weight * bound;
  const bool usable = total_weight > 0 && total_weight <= 0x1p62 && bound > 0 && product < 0x1p900;
  if (!usable)
    throw std::invalid_argument("no fixed-point scale for total weight " + text(total_weight) + " and bound " +
                                text(bound));
  if (product == 0) return largest_exponent;  // underflow
  int exponent = 0;
  std::frexp(product, &exponent);  // 2^(exponent - 1) <= product < 2^exponent
  return std::min(62 - exponent, largest_exponent);
}

std::int64_t fixed(double x, int exponent) {
  const double rounded = std::rint(x * power_of_two(exponent));
  if (!(rounded >= -0x1p63 && rounded < 0x1p63))
    throw std::overflow_error("value " + text(x) + " at scale 2^" + std::to_string(exponent) + " does not fit 64 bits");
  return rounded;
}

bool would_overflow(double max_abs, std::int64_t weight, int exponent) {
  const double rounded = std::rint(std::abs(max_abs) * power_of_two(exponent));
  if (!(rounded < 0x1p63)) return true;
  std::int64_t product = 0;
  return __builtin_mul_overflow(static_cast<std::int64_t>(rounded), weight, &product) ||
         product == std::numeric_limits<std::int64_t>::min();
}

void refuse_product(std::size_t row, double max_abs, std::int64_t weight, int exponent) {
  throw std::overflow_error("row " + std::to_string(row) + ": fixed-point product of " + text(max_abs) +
                            " with weight " + std::to_string(weight) + " at scale 2^" + std::to_string(exponent) +
                            " does not fit 64 bits");
}

void require_no_row(std::int64_t bad_row, int exponent) {
  if (bad_row != no_row)
    throw std::overflow_error("row " + std::to_string(bad_row) + ": a fixed-point product at scale 2^" +
                              std::to_string(exponent) + " does not fit 64 bits");
}

template <class T>
RowRange scan(std::span<const T> row) {
  Bits<T> largest = 0;
  for (const T x : row) largest = std::max(largest, magnitude(x));
  return range_of<T>(largest);
}

template <class T>
void to_mean(std::span<const std::int64_t> sum, int exponent, double total_weight, std::span<T> out) {
  require_size("mean", out.size(), sum.size());
  require_total_weight(total_weight);
  const double unit = power_of_two(-exponent);
  for (std::size_t i = 0; i < sum.size(); ++i) out[i] = mean_value<T>(sum[i], unit, total_weight);
}

#define SHOAL_INSTANTIATE(T)                     \
  template RowRange scan<T>(std::span<const T>); \
  template void to_mean<T>(std::span<const std::int64_t>, int, double, std::span<T>);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
