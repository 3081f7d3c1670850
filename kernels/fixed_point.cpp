#include "kernels/fixed_point.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace shoal {
namespace {

// A block's sums and four rows of float fit the second-level cache (64 + 128 KiB). Shorter blocks measured slower: a
// row is then read in pieces too short for the hardware to fetch ahead.
constexpr std::size_t block_size = 8192;
// Differences are staged in the first-level cache, so their blocks are shorter.
constexpr std::size_t stage_size = 1024;
// Rows that share one load and store of the sums; more would run out of registers.
constexpr std::size_t group_size = 4;

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

std::string text(double x) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", x);
  return digits;
}

double power_of_two(int exponent) {
  if (exponent < -largest_exponent || exponent > largest_exponent)
    throw std::invalid_argument("fixed-point exponent of " + std::to_string(exponent) + " (limit " +
                                std::to_string(largest_exponent) + ")");
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// Without their sign, IEEE values order like integers, with infinity and then NaN on top. The integer maximum
// vectorises without permission to assume finite numbers, and NaN cannot slip through it.
template <class T>
Bits<T> magnitude(T x) {
  return std::bit_cast<Bits<T>>(x) & std::numeric_limits<Bits<T>>::max();
}

template <class T>
T largest_magnitude(const T* x, std::size_t n) {
  Bits<T> largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, magnitude(x[i]));
  return std::bit_cast<T>(largest);
}

template <class T>
struct Term {
  const T* x;
  double weight;
};

// AVX2 has no conversion between double and int64. Adding 1.5 * 2^52 leaves an integer below 2^51 in the low bits of
// the sum, rounded half to even. fma is here for speed: products with powers of two and small products are exact
// anyway.
constexpr double magic = 0x1.8p52;
constexpr auto magic_bits = std::bit_cast<std::uint64_t>(magic);

/// For |rint(x scale) * weight| < 2^51: the product is taken in double.
template <std::size_t rows, class T>
void add_small(std::int64_t* __restrict sum, const Term<T>* terms, std::size_t n, double scale) {
  Term<T> term[rows];
  std::copy_n(terms, rows, term);
  for (std::size_t i = 0; i < n; ++i) {
    auto total = static_cast<std::uint64_t>(sum[i]) - rows * magic_bits;
    for (std::size_t k = 0; k < rows; ++k) {
      const double q = std::fma(static_cast<double>(term[k].x[i]), scale, magic) - magic;
      total += std::bit_cast<std::uint64_t>(std::fma(q, term[k].weight, magic));
    }
    sum[i] = static_cast<std::int64_t>(total);
  }
}

/// For anything that fits 64 bits: two halves of 32 bits are converted apart and multiplied as integers. The upper half
/// is a multiple of 2^32 and thus even, so rounding the lower one half to even rounds the whole.
template <class T>
void add_large(std::int64_t* __restrict sum, const T* __restrict x, std::size_t n, std::int64_t weight, double scale) {
  for (std::size_t i = 0; i < n; ++i) {
    const double scaled = static_cast<double>(x[i]) * scale;
    const double upper = std::fma(scaled, 0x1p-32, magic);
    const double lower = std::fma(upper - magic, -0x1p32, scaled) + magic;
    const std::uint64_t q =
        ((std::bit_cast<std::uint64_t>(upper) - magic_bits) << 32) + (std::bit_cast<std::uint64_t>(lower) - magic_bits);
    sum[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum[i]) + q * static_cast<std::uint64_t>(weight));
  }
}

/// The sums of one block of coordinates. Rows whose products are all small wait until a group of them is full.
template <class T>
class BlockSum {
 public:
  BlockSum(std::int64_t* sum, std::size_t n, int exponent)
      : sum_(sum), n_(n), exponent_(exponent), scale_(power_of_two(exponent)) {}

  /// `largest` is the largest magnitude of x[0 .. n); x must live until finish().
  void add(const T* x, T largest, std::int64_t weight) {
    // One more than the largest magnitude covers its rounding; NaN fails the comparison.
    if ((static_cast<double>(largest) * scale_ + 1) * std::abs(static_cast<double>(weight)) < 0x1p51) {
      waiting_[count_++] = {x, static_cast<double>(weight)};
      if (count_ == group_size) add_small<group_size>(sum_, waiting_, n_, scale_), count_ = 0;
      return;
    }
    if (would_overflow(largest, weight, exponent_))
      throw std::overflow_error("fixed-point product of " + text(largest) + " with weight " + std::to_string(weight) +
                                " at scale 2^" + std::to_string(exponent_) + " does not fit 64 bits");
    add_large(sum_, x, n_, weight, scale_);
  }

  void finish() {
    for (std::size_t k = 0; k < count_; ++k) add_small<1>(sum_, waiting_ + k, n_, scale_);
  }

 private:
  std::int64_t* sum_;
  std::size_t n_, count_ = 0;
  int exponent_;
  double scale_;
  Term<T> waiting_[group_size];
};

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
  return static_cast<std::int64_t>(rounded);
}

bool would_overflow(double max_abs, std::int64_t weight, int exponent) {
  const double rounded = std::rint(std::abs(max_abs) * power_of_two(exponent));
  if (!(rounded < 0x1p63)) return true;
  std::int64_t product = 0;
  return __builtin_mul_overflow(static_cast<std::int64_t>(rounded), weight, &product) ||
         product == std::numeric_limits<std::int64_t>::min();
}

template <class T>
RowRange scan(std::span<const T> row) {
  const double largest = largest_magnitude(row.data(), row.size());
  if (std::isfinite(largest)) return {true, largest};
  return {false, std::numeric_limits<double>::infinity()};
}

template <class T>
void accumulate(std::span<std::int64_t> sum, std::span<const T> row, std::int64_t weight, int exponent) {
  accumulate_rows<T>(sum, one_row(row), {&weight, 1}, exponent);
}

template <class T>
void accumulate_rows(std::span<std::int64_t> sum, RowView<const T> rows, std::span<const std::int64_t> weights,
                     int exponent) {
  require_size("sum", sum.size(), static_cast<std::size_t>(rows.columns()));
  require_size("weights", weights.size(), static_cast<std::size_t>(rows.rows()));
  for (std::size_t begin = 0; begin < sum.size(); begin += block_size) {
    const std::size_t n = std::min(block_size, sum.size() - begin);
    BlockSum<T> block(sum.data() + begin, n, exponent);
    for (std::size_t k = 0; k < weights.size(); ++k) {
      if (weights[k] == 0) continue;
      const T* x = rows.at(static_cast<std::int64_t>(k)) + begin;
      block.add(x, largest_magnitude(x, n), weights[k]);
    }
    block.finish();
  }
}

template <class T>
void accumulate_difference(std::span<std::int64_t> sum, std::span<const T> after, std::span<const T> before,
                           std::int64_t weight, int exponent) {
  require_size("sum", sum.size(), after.size());
  require_size("row before", before.size(), after.size());
  if (weight == 0) return;
  T difference[stage_size];
  for (std::size_t begin = 0; begin < sum.size(); begin += stage_size) {
    const std::size_t n = std::min(stage_size, sum.size() - begin);
    Bits<T> largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      difference[i] = after[begin + i] - before[begin + i];
      largest = std::max(largest, magnitude(difference[i]));
    }
    BlockSum<T> block(sum.data() + begin, n, exponent);
    block.add(difference, std::bit_cast<T>(largest), weight);
    block.finish();
  }
}

template <class T>
void to_mean(std::span<const std::int64_t> sum, int exponent, double total_weight, std::span<T> out) {
  require_size("mean", out.size(), sum.size());
  if (!(total_weight > 0 && std::isfinite(total_weight)))
    throw std::invalid_argument("total weight of " + text(total_weight) + " (must be positive)");
  const double unit = power_of_two(-exponent);
  for (std::size_t i = 0; i < sum.size(); ++i)
    out[i] = static_cast<T>(static_cast<double>(sum[i]) * unit / total_weight);
}

#define SHOAL_INSTANTIATE(T)                                                                                       \
  template RowRange scan<T>(std::span<const T>);                                                                   \
  template void accumulate<T>(std::span<std::int64_t>, std::span<const T>, std::int64_t, int);                     \
  template void accumulate_rows<T>(std::span<std::int64_t>, RowView<const T>, std::span<const std::int64_t>, int); \
  template void accumulate_difference<T>(std::span<std::int64_t>, std::span<const T>, std::span<const T>,          \
                                         std::int64_t, int);                                                       \
  template void to_mean<T>(std::span<const std::int64_t>, int, double, std::span<T>);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
