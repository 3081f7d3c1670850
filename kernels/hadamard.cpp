#include "kernels/hadamard.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels/hadamard_pieces.hpp"

namespace shoal {
namespace {

using hadamard::butterfly;
using hadamard::Pass;

constexpr std::int64_t capacity = 8192;

using Eight = float __attribute__((vector_size(32)));
using EightAt = float __attribute__((vector_size(32), aligned(4), may_alias));  // in memory
using EightBits = std::uint32_t __attribute__((vector_size(32)));

// A stage of distance below 8 within one vector: b is `a` with partners exchanged, and the upper value of each pair is
// subtracted. b + (-a) rounds as b - a does.
Eight stage(Eight a, Eight b, EightBits upper) {
  return b + reinterpret_cast<Eight>(reinterpret_cast<EightBits>(a) ^ upper);
}

// Stages of distance 1, 2 and 4 on eight values.
Eight three_inner_stages(Eight a) {
  constexpr std::uint32_t s = 0x80000000;
  a = stage(a, __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6), EightBits{0, s, 0, s, 0, s, 0, s});
  a = stage(a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5), EightBits{0, 0, s, s, 0, 0, s, s});
  return stage(a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3), EightBits{0, 0, 0, 0, s, s, s, s});
}

// `count` stages, of distance h, 2 h, ..., on 2^count vectors that are h values apart, without leaving registers; with
// `inner` (h = 8) the inner stages run first.
template <int count, bool inner>
void stages_in_registers(float* x, std::int64_t h) {
  constexpr int vectors = 1 << count;
  Eight v[vectors];
#pragma GCC unroll 8
  for (int i = 0; i < vectors; ++i) {
    v[i] = *reinterpret_cast<const EightAt*>(x + i * h);
    if constexpr (inner) v[i] = three_inner_stages(v[i]);
  }
#pragma GCC unroll 3
  for (int s = 0; s < count; ++s)
#pragma GCC unroll 4
    for (int pair = 0; pair < vectors / 2; ++pair) {
      const int lower = (pair >> s << (s + 1)) + (pair & ((1 << s) - 1)), upper = lower + (1 << s);
      const Eight a = v[lower], b = v[upper];
      v[lower] = a + b;
      v[upper] = a - b;
    }
#pragma GCC unroll 8
  for (int i = 0; i < vectors; ++i) *reinterpret_cast<EightAt*>(x + i * h) = v[i];
}

// The same on all n values; h >= 8.
template <int count, bool inner = false>
void some_stages(float* x, std::int64_t n, std::int64_t h) {
  for (std::int64_t begin = 0; begin < n; begin += h << count)
    for (std::int64_t i = 0; i < h; i += 8) stages_in_registers<count, inner>(x + begin + i, h);
}

// All stages from distance h to n / 2, on n adjacent values; h = 1 or h >= 8.
void stages(float* x, std::int64_t n, std::int64_t h) {
  if (n < 8) {
    for (; h < n; h *= 2)
      for (std::int64_t i = 0; i < n; ++i)
        if ((i & h) == 0) butterfly(x[i], x[i + h]);
    return;
  }
  if (h == 1) {
    int more = 0;  // stages beyond the three within eight values
    while (more < 3 && n >= 16 << more) ++more;
    if (more == 3) some_stages<3, true>(x, n, 8);
    if (more == 2) some_stages<2, true>(x, n, 8);
    if (more == 1) some_stages<1, true>(x, n, 8);
    if (more == 0) some_stages<0, true>(x, n, 8);
    h = std::int64_t{8} << more;
  }
  for (; 8 * h <= n; h *= 8) some_stages<3>(x, n, h);
  if (4 * h == n) some_stages<2>(x, n, h);
  if (2 * h == n) some_stages<1>(x, n, h);
}

void scale(float* x, std::int64_t n, float factor) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

// Transforms in place and multiplies by `factor`.
void transform(float* x, std::int64_t size, float factor) {
  std::int64_t done = 1;
  do {
    const Pass pass = hadamard::next_pass(size, done, capacity);
    done = pass.last;
    const float after = done == size ? factor : 1;
    if (pass.first == 1) {
      for (std::int64_t begin = 0; begin < size; begin += pass.tile()) {
        stages(x + begin, pass.tile(), 1);
        if (after != 1) scale(x + begin, pass.tile(), after);
      }
    } else {
      // Rows a power of two apart fall into the same few sets of the cache: the tile is copied out and back.
      alignas(64) float tile[capacity];
      for (std::int64_t t = 0; t < pass.tiles(); ++t) {
        float* corner = x + pass.place(t, 0);
        for (std::int64_t r = 0; r < pass.rows; ++r)
          std::copy_n(corner + r * pass.first, pass.columns, tile + r * pass.columns);
        stages(tile, pass.tile(), pass.columns);
        if (after != 1) scale(tile, pass.tile(), after);
        for (std::int64_t r = 0; r < pass.rows; ++r)
          std::copy_n(tile + r * pass.columns, pass.columns, corner + r * pass.first);
      }
    }
  } while (done < size);
}

float normalisation(std::int64_t size) { return 1 / std::sqrt(size); }

float negated_if(float x, std::uint32_t bit) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ bit << 31);
}

// to[i] = from[i], negated where coordinate first + i is.
void copy_signed(float* to, const float* from, std::int64_t n, std::int64_t first, const PhiloxStream& signs) {
  std::uint32_t words[capacity / 32 + 4];
  for (std::int64_t begin = 0; begin < n; begin += capacity, first += capacity) {
    const std::int64_t end = std::min(n, begin + capacity), skipped = first % 128;
    philox_words(std::span(words).first((skipped + end - begin + 31) / 32), signs, first / 128);
    std::int64_t i = begin;
    for (std::int64_t bit = skipped; i < end;) {
      const std::uint32_t word = words[bit / 32];
      if (bit % 32 == 0 && i + 32 <= end) {
        for (int j = 0; j < 32; ++j) to[i + j] = negated_if(from[i + j], word >> j);
        i += 32;
        bit += 32;
      } else {
        to[i] = negated_if(from[i], word >> bit % 32);
        ++i;
        ++bit;
      }
    }
  }
}

// Calls piece(begin, size) for each piece of a row of d values.
template <class Piece>
void each_piece(std::int64_t d, std::int64_t block, const Piece& piece) {
  const auto [full, last] = hadamard::cut(d, block);
  for (std::int64_t p = 0; p < full; ++p) piece(p * block, block);
  if (last > 0) piece(full * block, last);
}

}  // namespace

hadamard::Cut hadamard::cut(std::int64_t d, std::int64_t block) {
  if (d < 0 || block < 1 || !std::has_single_bit(static_cast<std::uint64_t>(block)))
    throw std::invalid_argument("rotation of " + std::to_string(d) + " values in blocks of " + std::to_string(block) +
                                " (must be a power of two)");
  const std::uint64_t rest = d % block;
  const std::int64_t last = rest == 0 ? 0 : std::bit_ceil(rest);
  return {d / block, last};
}

std::int64_t rotated_size(std::int64_t d, std::int64_t block) {
  const auto [full, last] = hadamard::cut(d, block);
  return full * block + last;
}

void walsh_hadamard(std::span<float> values) {
  if (!std::has_single_bit(values.size()))
    throw std::invalid_argument("Walsh-Hadamard transform of " + std::to_string(values.size()) +
                                " values (must be a power of two)");
  transform(values.data(), values.size(), 1);
}

void rotate(std::span<float> out, std::span<const float> row, std::int64_t block, const PhiloxStream& signs) {
  const std::int64_t d = std::ssize(row);
  require_size("rotated row", out.size(), rotated_size(d, block));
  each_piece(d, block, [&](std::int64_t begin, std::int64_t size) {
    float* piece = out.data() + begin;
    const std::int64_t there = std::min(size, d - begin);
    copy_signed(piece, row.data() + begin, there, begin, signs);
    std::fill(piece + there, piece + size, 0.0f);
    transform(piece, size, normalisation(size));
  });
}

void rotate_back(std::span<float> row, std::span<float> rotated, std::int64_t block, const PhiloxStream& signs) {
  const std::int64_t d = std::ssize(row);
  require_size("rotated row", rotated.size(), rotated_size(d, block));
  each_piece(d, block, [&](std::int64_t begin, std::int64_t size) {
    float* piece = rotated.data() + begin;
    transform(piece, size, normalisation(size));
    copy_signed(row.data() + begin, piece, std::min(size, d - begin), begin, signs);
  });
}

}  // namespace shoal
