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

/// Four Philox blocks at a time, each 32-bit number in the lower half of a 64-bit lane: products need no shuffles, and
/// what the upper halves hold is never looked at. Writes blocks first .. first + count - 1 of a stream; count % 4 == 0.
void random_words(std::uint32_t* out, const PhiloxStream& random, std::int64_t first, std::int64_t count) {
  const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  for (std::int64_t block = 0; block < count; block += 4) {
    __m256i a = _mm256_set1_epi64x(random.row[0]), b = _mm256_set1_epi64x(random.row[1]);
    __m256i c = _mm256_set1_epi64x(random.row[2]);
    __m256i d = _mm256_add_epi64(_mm256_set1_epi64x(first + block), _mm256_setr_epi64x(0, 1, 2, 3));
    std::uint32_t k0 = random.key.word[0], k1 = random.key.word[1];
    for (int round = 0; round < 10; ++round) {
      const __m256i p0 = _mm256_mul_epu32(a, m0), p1 = _mm256_mul_epu32(c, m1);
      a = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), b), _mm256_set1_epi64x(k0));
      b = p1;
      c = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), d), _mm256_set1_epi64x(k1));
      d = p0;
      k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    const __m256i ab = _mm256_or_si256(_mm256_and_si256(a, low), _mm256_slli_epi64(b, 32));
    const __m256i cd = _mm256_or_si256(_mm256_and_si256(c, low), _mm256_slli_epi64(d, 32));
    const __m256i even = _mm256_unpacklo_epi64(ab, cd), odd = _mm256_unpackhi_epi64(ab, cd);  // blocks 0, 2 and 1, 3
    auto* to = reinterpret_cast<__m256i*>(out + 4 * block);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
  }
}

/// The lowest `bits` bits of each of four codes.
std::uint64_t code_mask(int bits) { return 0x0001000100010001u * ((1u << bits) - 1u); }

// Eight codes fill whole bytes: two times four codes, squeezed by one instruction each.
template <int bits>
void pack_eights(std::uint8_t* out, const std::uint16_t* codes, std::int64_t eights) {
  const std::uint64_t mask = code_mask(bits);
  for (std::int64_t i = 0; i < eights; ++i, codes += 8, out += bits) {
    std::uint64_t four[2];
    std::memcpy(four, codes, sizeof four);
    const std::uint64_t lower = _pext_u64(four[0], mask), upper = _pext_u64(four[1], mask);
    const unsigned __int128 all = lower | static_cast<unsigned __int128>(upper) << (4 * bits);
    std::memcpy(out, &all, bits);
  }
}

template <int bits>
void unpack_eights(std::uint16_t* codes, const std::uint8_t* in, std::int64_t eights) {
  const std::uint64_t mask = code_mask(bits);
  for (std::int64_t i = 0; i < eights; ++i, codes += 8, in += bits) {
    unsigned __int128 all = 0;
    std::memcpy(&all, in, bits);
    const std::uint64_t four[2] = {_pdep_u64(static_cast<std::uint64_t>(all), mask),
                                   _pdep_u64(static_cast<std::uint64_t>(all >> (4 * bits)), mask)};
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
  const auto run = pack_by_bits[static_cast<std::size_t>(bits - 1)];
  run(out, codes, n / 8);
  if (n % 8 == 0) return;
  std::uint16_t last[8] = {};
  std::uint8_t bytes[2 * most_code_bits];
  std::copy_n(codes + n / 8 * 8, n % 8, last);
  run(bytes, last, 1);
  std::copy_n(bytes, packed_bytes(n % 8, bits), out + n / 8 * bits);
}

void unpack_piece(std::uint16_t* codes, const std::uint8_t* in, std::int64_t n, int bits) {
  const auto run = unpack_by_bits[static_cast<std::size_t>(bits - 1)];
  run(codes, in, n / 8);
  if (n % 8 == 0) return;
  std::uint16_t last[8];
  std::uint8_t bytes[2 * most_code_bits] = {};
  std::copy_n(in + n / 8 * bits, packed_bytes(n % 8, bits), bytes);
  run(last, bytes, 1);
  std::copy_n(last, n % 8, codes + n / 8 * 8);
}

void require_packed(std::size_t bytes, std::size_t count, int bits) {
  require_size("packed bytes", bytes, static_cast<std::size_t>(packed_bytes(static_cast<std::int64_t>(count), bits)));
}

void require_scale(float scale) {
  if (!(scale >= 0 && scale <= std::numeric_limits<float>::max()))
    throw std::invalid_argument("quantization scale of " + std::to_string(scale) +
                                " (must be finite and not negative; a row that is not finite has none)");
}

/// Calls step(first, count) for each piece of n values.
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
  quantization::with_measure(
      rule, [&](auto measure) { scale = measured(row.data(), static_cast<std::int64_t>(row.size()), measure); });
  return scale;
}

void quantize(std::span<std::uint8_t> packed, std::span<const float> row, float scale, int bits,
              const PhiloxStream& random, std::int64_t first) {
  quantization::require_bits(bits, 2);
  require_packed(packed.size(), row.size(), bits);
  require_scale(scale);
  const auto n = static_cast<std::int64_t>(row.size());
  if (first < 0 || first % 8 != 0 || n > philox_stream_words - first)
    throw std::invalid_argument("quantization of " + std::to_string(n) + " values from coordinate " +
                                std::to_string(first) + " (a multiple of 8, up to 2^34)");
  const Rounding rounding = Rounding::of(scale, bits);
  alignas(64) std::uint32_t words[piece_size];
  alignas(64) std::uint16_t codes[piece_size];
  each_piece(n, [&](std::int64_t begin, std::int64_t count) {
    random_words(words, random, (first + begin) / 4, (count + 15) / 16 * 4);
    const float* x = row.data() + begin;
    for (std::int64_t i = 0; i < count; ++i) codes[i] = rounding.code(x[i], words[i]);
    pack_piece(packed.data() + begin * bits / 8, codes, count, bits);
  });
}

void dequantize(std::span<float> out, std::span<const std::uint8_t> packed, float scale, int bits) {
  quantization::require_bits(bits, 2);
  require_packed(packed.size(), out.size(), bits);
  const int levels = largest_level(bits);
  const float unit = scale / static_cast<float>(levels);
  alignas(64) std::uint16_t codes[piece_size];
  each_piece(static_cast<std::int64_t>(out.size()), [&](std::int64_t begin, std::int64_t count) {
    unpack_piece(codes, packed.data() + begin * bits / 8, count, bits);
    float* x = out.data() + begin;
    for (std::int64_t i = 0; i < count; ++i) x[i] = static_cast<float>(codes[i] - levels) * unit;
  });
}

void quantize_signs(std::span<std::uint8_t> packed, std::span<const float> row) {
  require_packed(packed.size(), row.size(), 1);
  const auto n = static_cast<std::int64_t>(row.size());
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 negative = _mm256_cmp_ps(_mm256_loadu_ps(row.data() + i), _mm256_setzero_ps(), _CMP_LT_OQ);
    packed[static_cast<std::size_t>(i / 8)] = static_cast<std::uint8_t>(_mm256_movemask_ps(negative));
  }
  if (i == n) return;
  std::uint8_t last = 0;
  for (std::int64_t j = i; j < n; ++j) last |= static_cast<std::uint8_t>((row.data()[j] < 0 ? 1 : 0) << (j - i));
  packed.back() = last;
}

void dequantize_signs(std::span<float> out, std::span<const std::uint8_t> packed, float scale) {
  require_packed(packed.size(), out.size(), 1);
  const auto n = static_cast<std::int64_t>(out.size());
  const std::uint8_t* bytes = packed.data();
  float* x = out.data();
  for (std::int64_t i = 0; i < n; i += 8)
    for (std::int64_t j = i; j < std::min(n, i + 8); ++j) x[j] = (bytes[i / 8] >> (j - i) & 1) != 0 ? -scale : scale;
}

void pack(std::span<std::uint8_t> packed, std::span<const std::uint16_t> codes, int bits) {
  quantization::require_bits(bits, 1);
  require_packed(packed.size(), codes.size(), bits);
  pack_piece(packed.data(), codes.data(), static_cast<std::int64_t>(codes.size()), bits);
}

void unpack(std::span<std::uint16_t> codes, std::span<const std::uint8_t> packed, int bits) {
  quantization::require_bits(bits, 1);
  require_packed(packed.size(), codes.size(), bits);
  unpack_piece(codes.data(), packed.data(), static_cast<std::int64_t>(codes.size()), bits);
}

}  // namespace shoal
