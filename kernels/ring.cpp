#include "kernels/ring.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/fixed_point.hpp"

namespace shoal {
namespace {

// Values are read twice, for their range and for their words; the second time they are in the first-level cache.
constexpr std::size_t block_size = 2048;

// As in fixed_point_sum.cpp: adding 1.5 * 2^52 leaves an integer below 2^51 in the low bits of the sum, rounded half to
// even; this vectorises, unlike a conversion to integers.
constexpr double magic = 0x1.8p52;

template <class T>
void encode_block(std::uint32_t* __restrict out, const T* __restrict row, std::size_t n, std::int64_t weight,
                  int exponent) {
  const RowRange range = scan<T>({row, n});
  const double scale = std::ldexp(1.0, exponent), factor = weight;
  // Rounded to an integer first, as the words are; a product with more bits than double holds is too large anyway.
  if (!(std::rint(range.max_abs * scale) * std::abs(factor) < 0x1p31))
    throw std::overflow_error("fixed-point product of " + std::to_string(range.max_abs) + " with weight " +
                              std::to_string(weight) + " at scale 2^" + std::to_string(exponent) +
                              " does not fit the ring of 32 bits");
  for (std::size_t i = 0; i < n; ++i) {
    const double x = row[i], q = std::fma(x, scale, magic) - magic;
    out[i] = std::bit_cast<std::uint64_t>(std::fma(q, factor, magic));
  }
}

template <class T>
void encode_block(std::uint64_t* out, const T* row, std::size_t n, std::int64_t weight, int exponent) {
  const std::span words(reinterpret_cast<std::int64_t*>(out), n);
  std::fill(words.begin(), words.end(), 0);
  accumulate<T>(words, {row, n}, weight, exponent);
  // accumulate skips rows of weight 0, but values that are not finite must be rejected.
  if (weight == 0 && !scan<T>({row, n}).finite)
    throw std::overflow_error("value that is not finite (in a row of weight 0)");
}

double signed_value(std::uint32_t word) { return static_cast<std::int32_t>(word); }

// AVX2 cannot convert 64-bit integers to double. Both halves are put into the low bits of doubles that represent
// high * 2^32 + 2^84 + 2^63 and low + 2^52; the difference of the first and all three constants is exact, so the sum
// rounds once, as a conversion does.
double signed_value(std::uint64_t word) {
  constexpr std::uint64_t high_bits = 0x4530000080000000, low_bits = 0x4330000000000000;
  const double high = std::bit_cast<double>((word >> 32) ^ high_bits);
  const double low = std::bit_cast<double>((word & 0xffffffff) | low_bits);
  return (high - (0x1p84 + 0x1p63 + 0x1p52)) + low;
}

}  // namespace

int ring_bits(std::int64_t summands, int input_bits) {
  std::uint64_t largest = 0;
  if (summands < 1 || input_bits < 1 || input_bits > 32 ||
      __builtin_mul_overflow(static_cast<std::uint64_t>(summands), (std::uint64_t{1} << input_bits) - 1, &largest))
    throw std::invalid_argument("no ring for sums of " + std::to_string(summands) + " inputs of " +
                                std::to_string(input_bits) + " bits (1 to 32 bits, sums below 2^64)");
  return std::bit_width(largest);
}

template <class Word>
int ring_exponent(double total_weight, double bound) {
  constexpr int bits = std::numeric_limits<Word>::digits;
  if (!(total_weight <= std::ldexp(1.0, bits - 2)))
    throw std::invalid_argument("total weight of " + std::to_string(total_weight) + " (a ring of " +
                                std::to_string(bits) + " bits holds 2^" + std::to_string(bits - 2) + ")");
  return unit_exponent(total_weight, bound) - (64 - bits);
}

template <class Word, class T>
void ring_encode(std::span<Word> out, std::span<const T> row, std::int64_t weight, int exponent) {
  require_size("ring vector", out.size(), row.size());
  if (exponent < -largest_exponent || exponent > largest_exponent)
    throw std::invalid_argument("fixed-point exponent of " + std::to_string(exponent) + " (limit " +
                                std::to_string(largest_exponent) + ")");
  for (std::size_t begin = 0; begin < out.size(); begin += block_size)
    encode_block(out.data() + begin, row.data() + begin, std::min(block_size, out.size() - begin), weight, exponent);
}

template <class Word>
void ring_add(std::span<Word> sum, std::span<const Word> x) {
  require_size("ring vector", x.size(), sum.size());
  Word* __restrict to = sum.data();
  const Word* __restrict from = x.data();
  for (std::size_t i = 0; i < sum.size(); ++i) to[i] += from[i];
}

template <class Word>
void ring_subtract(std::span<Word> sum, std::span<const Word> x) {
  require_size("ring vector", x.size(), sum.size());
  Word* __restrict to = sum.data();
  const Word* __restrict from = x.data();
  for (std::size_t i = 0; i < sum.size(); ++i) to[i] -= from[i];
}

template <class Word, class T>
void ring_decode(std::span<T> out, std::span<const Word> sum, int exponent, double total_weight) {
  require_size("decoded row", out.size(), sum.size());
  if (!(total_weight > 0 && std::isfinite(total_weight)))
    throw std::invalid_argument("total weight of " + std::to_string(total_weight) + " (must be positive)");
  const double unit = std::ldexp(1.0, -exponent);
  for (std::size_t i = 0; i < sum.size(); ++i) out[i] = signed_value(sum[i]) * unit / total_weight;
}

#define SHOAL_INSTANTIATE(Word)                                                                         \
  template int ring_exponent<Word>(double, double);                                                     \
  template void ring_encode<Word, float>(std::span<Word>, std::span<const float>, std::int64_t, int);   \
  template void ring_encode<Word, double>(std::span<Word>, std::span<const double>, std::int64_t, int); \
  template void ring_add<Word>(std::span<Word>, std::span<const Word>);                                 \
  template void ring_subtract<Word>(std::span<Word>, std::span<const Word>);                            \
  template void ring_decode<Word, float>(std::span<float>, std::span<const Word>, int, double);         \
  template void ring_decode<Word, double>(std::span<double>, std::span<const Word>, int, double);
SHOAL_INSTANTIATE(std::uint32_t)
SHOAL_INSTANTIATE(std::uint64_t)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
