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

// 16 KiB: a tile and the memory that it comes from fit the first-level cache.
constexpr std::int64_t capacity = 4096;

using Eight = float __attribute__((vector_size(32)));
using EightBits = std::uint32_t __attribute__((vector_size(32)));

// A stage of distance below 8 within one vector: b is `a` with partners exchanged, and the upper one of each pair is
// subtracted. b + (-a) rounds as b - a does.
Eight stage(Eight a, Eight b, EightBits upper) {
  return b + reinterpret_cast<Eight>(reinterpret_cast<EightBits>(a) ^ upper);
}

/// Stages of distance 1, 2 and 4.
void eight_apart(float* x, std::int64_t n) {
  constexpr std::uint32_t s = 0x80000000;
  for (std::int64_t i = 0; i < n; i += 8) {
    Eight a;
    std::memcpy(&a, x + i, sizeof a);
    a = stage(a, __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6), EightBits{0, s, 0, s, 0, s, 0, s});
    a = stage(a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5), EightBits{0, 0, s, s, 0, 0, s, s});
    a = stage(a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3), EightBits{0, 0, 0, 0, s, s, s, s});
    std::memcpy(x + i, &a, sizeof a);
  }
}

/// Two stages, of distance h and 2 h.
void two_stages(float* x, std::int64_t n, std::int64_t h) {
  for (std::int64_t begin = 0; begin < n; begin += 4 * h) {
    float* __restrict a = x + begin, * __restrict b = a + h, * __restrict c = b + h, * __restrict d = c + h;
    for (std::int64_t i = 0; i < h; ++i) butterfly(a[i], b[i], c[i], d[i]);
  }
}

void one_stage(float* x, std::int64_t n, std::int64_t h) {
  for (std::int64_t begin = 0; begin < n; begin += 2 * h) {
    float* __restrict a = x + begin, * __restrict b = a + h;
    for (std::int64_t i = 0; i < h; ++i) butterfly(a[i], b[i]);
  }
}

/// All stages from distance h to n / 2, on n adjacent values.
void stages(float* x, std::int64_t n, std::int64_t h) {
  if (h == 1 && n >= 8) eight_apart(x, n), h = 8;
  for (; 4 * h <= n; h *= 4) two_stages(x, n, h);
  if (h < n) one_stage(x, n, h);
}

void scale(float* x, std::int64_t n, float factor) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

/// In place, times `factor`.
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

float normalisation(std::int64_t size) { return static_cast<float>(1 / std::sqrt(static_cast<double>(size))); }

/// to[i] = from[i], negated where coordinate first + i is.
void copy_signed(float* to, const float* from, std::int64_t n, std::int64_t first, const PhiloxStream& signs) {
  constexpr std::int64_t per_block = 128;
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t at = first + i, end = std::min(n, i + per_block - at % per_block);
    const PhiloxBlock bits = signs.block(at / per_block);
    while (i < end) {
      const std::int64_t bit = (first + i) % per_block, stop = std::min(end, i + 32 - bit % 32);
      const std::uint32_t word = bits[static_cast<int>(bit / 32)] >> bit % 32;
      for (std::int64_t j = 0; j < stop - i; ++j)
        to[i + j] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(from[i + j]) ^ (word >> j) << 31);
      i = stop;
    }
  }
}

/// Calls piece(begin, size) for each piece of a row of d values.
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
  const std::int64_t rest = d % block;
  return {d / block, rest == 0 ? 0 : static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(rest)))};
}

std::int64_t rotated_size(std::int64_t d, std::int64_t block) {
  const auto [full, last] = hadamard::cut(d, block);
  return full * block + last;
}

void walsh_hadamard(std::span<float> values) {
  if (!std::has_single_bit(values.size()))
    throw std::invalid_argument("Walsh-Hadamard transform of " + std::to_string(values.size()) +
                                " values (must be a power of two)");
  transform(values.data(), static_cast<std::int64_t>(values.size()), 1);
}

void rotate(std::span<float> out, std::span<const float> row, std::int64_t block, const PhiloxStream& signs) {
  const auto d = static_cast<std::int64_t>(row.size());
  require_size("rotated row", out.size(), static_cast<std::size_t>(rotated_size(d, block)));
  each_piece(d, block, [&](std::int64_t begin, std::int64_t size) {
    float* piece = out.data() + begin;
    const std::int64_t there = std::min(size, d - begin);
    copy_signed(piece, row.data() + begin, there, begin, signs);
    std::fill(piece + there, piece + size, 0.0f);
    transform(piece, size, normalisation(size));
  });
}

void rotate_back(std::span<float> row, std::span<float> rotated, std::int64_t block, const PhiloxStream& signs) {
  const auto d = static_cast<std::int64_t>(row.size());
  require_size("rotated row", rotated.size(), static_cast<std::size_t>(rotated_size(d, block)));
  each_piece(d, block, [&](std::int64_t begin, std::int64_t size) {
    float* piece = rotated.data() + begin;
    transform(piece, size, normalisation(size));
    copy_signed(row.data() + begin, piece, std::min(size, d - begin), begin, signs);
  });
}

}  // namespace shoal
