#pragma once
// How a Hadamard transform is cut into tiles that fit fast memory; shared by the host and device forms.

#include <cstdint>

#include "kernels/host_device.hpp"

namespace shoal::hadamard {

/// Columns of a tile in passes over distant values, whose rows are then read a cache line or two at a time.
inline constexpr std::int64_t tile_columns = 32;

/// One pass over a piece of `size` values: stages of distance `first` to `last` / 2. A tile gathers `rows` pieces of
/// `columns` adjacent values, `first` apart (all adjacent in the first pass); flat in fast memory, its butterflies run
/// at distances columns, 2 columns, ...
struct Pass {
  std::int64_t size, first, last;
  std::int64_t columns, rows;

  SHOAL_HD std::int64_t tile() const { return columns * rows; }
  SHOAL_HD std::int64_t tiles() const { return size / tile(); }
  /// Position of the tile's value i in the piece.
  SHOAL_HD std::int64_t place(std::int64_t tile_index, std::int64_t i) const {
    if (first == 1) return tile_index * rows + i;
    const std::int64_t across = first / columns;  // tiles side by side
    const std::int64_t corner = tile_index / across * last + tile_index % across * columns;
    return corner + i / columns * first + i % columns;
  }
};

/// The pass to run when all stages below distance `done` have run (1: none yet); tiles have at most `capacity` values.
inline Pass next_pass(std::int64_t size, std::int64_t done, std::int64_t capacity) {
  if (done == 1) {
    const std::int64_t rows = size < capacity ? size : capacity;
    return {size, 1, rows, 1, rows};
  }
  const std::int64_t most = capacity / tile_columns, left = size / done;
  const std::int64_t rows = left < most ? left : most;
  return {size, done, done * rows, tile_columns, rows};
}

/// Two stages, of distance h and 2 h, on four values.
SHOAL_HD inline void butterfly(float& a, float& b, float& c, float& d) {
  const float a1 = a + b, b1 = a - b, c1 = c + d, d1 = c - d;
  a = a1 + c1;
  b = b1 + d1;
  c = a1 - c1;
  d = b1 - d1;
}

SHOAL_HD inline void butterfly(float& a, float& b) {
  const float sum = a + b, difference = a - b;
  a = sum;
  b = difference;
}

/// How a row of d values is cut: `full` pieces of `block`, then one of `last` values (0: none).
struct Cut {
  std::int64_t full, last;
};
Cut cut(std::int64_t d, std::int64_t block);

}  // namespace shoal::hadamard
