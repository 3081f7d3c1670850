#include "kernels/quantize.hpp"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/quantize_bodies.hpp"

namespace shoal {
namespace {

using quantization::Rounding;

// Random words and codes of a piece stay in the first-level cache between the loops that make and use them.
constexpr std::int64_t piece_size = 1024;

// The lowest `bits` bits of each of four codes.
std::uint64_t code_mask(int bits) { return 0x0001000100010001u * ((1u << bits) - 1u); }

// `n` bytes, 1 to 8, as a little-endian number. Overlapping loads are joined in registers: joined in memory, the
// number could be read only after several small stores.
template <int n>
std::uint64_t load(const std::uint8_t* from) {
  const auto part = [&]<class Part>(Part value, int offset) {
    std::memcpy(&value, from + offset, sizeof value);
    return std::uint64_t{value} << (8 * offset);
  };
  if constexpr (n == 8) return part(std::uint64_t{}, 0);
  if constexpr (n >= 4) return part(std::uint32_t{}, 0) | part(std::uint32_t{}, n - 4);
  if constexpr (n >= 2) return part(std::uint16_t{}, 0) | part(std::uint16_t{}, n - 2);
  return *from;
}

template <int n>
void store(std::uint8_t* to, std::uint64_t number) {
  const auto part = [&]<class Part>(Part, int offset) {
    const auto value = static_cast<Part>(number >> (8 * offset));
    std::memcpy(to + offset, &value, sizeof value);
  };
  if constexpr (n == 8) {
    part(std::uint64_t{}, 0);
  } else if constexpr (n >= 4) {
    part(std::uint32_t{}, 0);
    part(std::uint32_t{}, n - 4);
  } else if constexpr (n >= 2) {
    part(std::uint16_t{}, 0);
    part(std::uint16_t{}, n - 2);
  } else {
    *to = number;
  }
}

// Eight codes fill whole bytes: two times four codes, squeezed by one instruction each.
template <int bits>
void pack_eights(std::uint8_t* out, const std::uint16_t* codes, std::int64_t eights) {
  const std::uint64_t mask = code_mask(bits);
  for (std::int64_t i = 0; i < eights; ++i, codes += 8, out += bits) {
    std::uint64_t four[2];
    std::memcpy(four, codes, sizeof four);
    const std::uint64_t lower = _pext_u64(four[0], mask), upper = _pext_u64(four[1], mask);
    if constexpr (bits == 16) {
      store<8>(out, lower);
      store<8>(out + 8, upper);
    } else {
      const std::uint64_t first = lower | upper << (4 * bits);
      store<std::min(bits, 8)>(out, first);
      if constexpr (bits > 8) store<bits - 8>(out + 8, upper >> (64 - 4 * bits));
    }
  }
}

template <int bits>
void unpack_eights(std::uint16_t* codes, const std::uint8_t* in, std::int64_t eights) {
  const std::uint64_t mask = code_mask(bits);
  for (std::int64_t i = 0; i < eights; ++i, codes += 8, in += bits) {
    const std::uint64_t first = load<std::min(bits, 8)>(in);
    std::uint64_t upper = bits == 16 ? 0 : first >> (4 * bits % 64);
    if constexpr (bits > 8) upper |= load<bits - 8>(in + 8) << (64 - 4 * bits) % 64;
    const std::uint64_t four[2] = {_pdep_u64(first, mask), _pdep_u64(upper, mask)};
    std::memcpy(codes, four, sizeof four);
  }
}

template <int... offsets>
constexpr auto packers(std::integer_sequence<int, offsets...>) {
  return std::array{pack_eights<offsets + 1>...};
}
template <int... offsets>
constexpr auto unpackers(std::integer_sequence<int, offsets...>) {
  return std::array{unpack_eights<offsets + 1>...};
}
constexpr auto pack_by_bits = packers(std::make_integer_sequence<int, most_code_bits>());
constexpr auto unpack_by_bits = unpackers(std::make_integer_sequence<int, most_code_bits>());

void pack_piece(std::uint8_t* out, const std::uint16_t* codes, std::int64_t n, int bits) {
  const auto run = pack_by_bits[bits - 1];
  run(out, codes, n / 8);
  if (n % 8 == 0) return;
  std::uint16_t last[8] = {};
  std::uint8_t bytes[2 * most_code_bits];
  std::copy_n(codes + n / 8 * 8, n % 8, last);
  run(bytes, last, 1);
  std::copy_n(bytes, packed_bytes(n % 8, bits), out + n / 8 * bits);
}

void unpack_piece(std::uint16_t* codes, const std::uint8_t* in, std::int64_t n, int bits) {
  const auto run = unpack_by_bits[bits - 1];
  run(codes, in, n / 8);
  if (n % 8 == 0) return;
  std::uint16_t last[8];
  std::uint8_t bytes[2 * most_code_bits] = {};
  std::copy_n(in + n / 8 * bits, packed_bytes(n % 8, bits), bytes);
  run(last, bytes, 1);
  std::copy_n(last, n % 8, codes + n / 8 * 8);
}

void require_packed(std::size_t bytes, std::size_t count, int bits) {
  require_size("packed bytes", bytes, packed_bytes(count, bits));
}

void require_scale(float scale) {
  if (!(scale >= 0 && scale <= std::numeric_limits<float>::max()))
    throw std::invalid_argument("quantization scale of " + std::to_string(scale) +
                                " (must be finite and not negative; a row that is not finite has none)");
}

// Calls step(first, count) for each piece of n values.
template <class Step>
void each_piece(std::int64_t n, const Step& step) {
  for (std::int64_t begin = 0; begin < n; begin += piece_size) step(begin, std::min(piece_size, n - begin));
}

template <class Measure>
float measured(const float* x, std::int64_t d, Measure) {
  using quantization::lanes;
  typename Measure::Partial total{};
  for (std::int64_t begin = 0; begin < d; begin += quantization::segment) {
    const std::int64_t end = std::min(d, begin + quantization::segment);
    typename Measure::Partial lane[lanes] = {};
    std::int64_t i = begin;
    for (; i + lanes <= end; i += lanes)
      for (int l = 0; l < lanes; ++l) lane[l] = Measure::add(lane[l], x[i + l]);
    for (int l = 0; l < end - i; ++l) lane[l] = Measure::add(lane[l], x[i + l]);
    for (int width = lanes / 2; width > 0; width /= 2)
      for (int l = 0; l < width; ++l) lane[l] = Measure::fold(lane[l], lane[l + width]);
    total = Measure::fold(total, lane[0]);
  }
  return Measure::finish(total, d);
}

}  // namespace

void quantization::require_bits(int bits, int least) {
  if (bits < least || bits > most_code_bits)
    throw std::invalid_argument("codes of " + std::to_string(bits) + " bits (" + std::to_string(least) + " to " +
                                std::to_string(most_code_bits) + " bits)");
}

float quantization_scale(std::span<const float> row, ScaleRule rule) {
  float scale = 0;
  quantization::with_measure(rule, [&](auto measure) { scale = measured(row.data(), row.size(), measure); });
  return scale;
}

void quantize(std::span<std::uint8_t> packed, std::span<const float> row, float scale, int bits,
              const PhiloxStream& random, std::int64_t first) {
  quantization::require_bits(bits, 2);
  require_packed(packed.size(), row.size(), bits);
  require_scale(scale);
  const std::int64_t n = std::ssize(row);
  if (first < 0 || first % 8 != 0 || n > philox_stream_words - first)
    throw std::invalid_argument("quantization of " + std::to_string(n) + " values from coordinate " +
                                std::to_string(first) + " (must be a multiple of 8; a stream has 2^34 words)");
  const Rounding rounding = Rounding::of(scale, bits);
  alignas(64) std::uint32_t words[piece_size];
  alignas(64) std::uint16_t codes[piece_size];
  each_piece(n, [&](std::int64_t begin, std::int64_t count) {
    philox_words(std::span(words).first((count + 3) / 4 * 4), random, (first + begin) / 4);
    const float* x = row.data() + begin;
    for (std::int64_t i = 0; i < count; ++i) codes[i] = rounding.code(x[i], words[i]);
    pack_piece(packed.data() + begin * bits / 8, codes, count, bits);
  });
}

void dequantize(std::span<float> out, std::span<const std::uint8_t> packed, float scale, int bits) {
  quantization::require_bits(bits, 2);
  require_packed(packed.size(), out.size(), bits);
  const int levels = largest_level(bits);
  const float unit = scale / levels;
  alignas(64) std::uint16_t codes[piece_size];
  each_piece(out.size(), [&](std::int64_t begin, std::int64_t count) {
    unpack_piece(codes, packed.data() + begin * bits / 8, count, bits);
    float* x = out.data() + begin;
    for (std::int64_t i = 0; i < count; ++i) x[i] = (codes[i] - levels) * unit;
  });
}

void quantize_signs(std::span<std::uint8_t> packed, std::span<const float> row) {
  require_packed(packed.size(), row.size(), 1);
  const std::int64_t n = std::ssize(row);
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 negative = _mm256_cmp_ps(_mm256_loadu_ps(row.data() + i), _mm256_setzero_ps(), _CMP_LT_OQ);
    packed[i / 8] = _mm256_movemask_ps(negative);
  }
  if (i == n) return;
  std::uint8_t last = 0;
  for (std::int64_t j = i; j < n; ++j) last |= (row.data()[j] < 0 ? 1 : 0) << (j - i);
  packed.back() = last;
}

void dequantize_signs(std::span<float> out, std::span<const std::uint8_t> packed, float scale) {
  require_packed(packed.size(), out.size(), 1);
  const std::int64_t n = std::ssize(out);
  const auto positive = std::bit_cast<std::uint32_t>(scale);
  const auto value = [positive](std::uint32_t byte, int i) {
    return std::bit_cast<float>(positive ^ (byte << (31 - i) & 0x80000000));
  };
  const std::uint8_t* byte = packed.data();
  float* x = out.data();
  std::int64_t left = n;
  for (; left >= 8; left -= 8, x += 8, ++byte)
    for (int i = 0; i < 8; ++i) x[i] = value(*byte, i);
  for (int i = 0; i < left; ++i) x[i] = value(*byte, i);
}

void pack(std::span<std::uint8_t> packed, std::span<const std::uint16_t> codes, int bits) {
  quantization::require_bits(bits, 1);
  require_packed(packed.size(), codes.size(), bits);
  pack_piece(packed.data(), codes.data(), codes.size(), bits);
}

void unpack(std::span<std::uint16_t> codes, std::span<const std::uint8_t> packed, int bits) {
  quantization::require_bits(bits, 1);
  require_packed(packed.size(), codes.size(), bits);
  unpack_piece(codes.data(), packed.data(), codes.size(), bits);
}

}  // namespace shoal
