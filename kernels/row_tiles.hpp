#pragma once
// Device work on [K, d], cut into pieces of rows, so that values need no division as a flat index would.

#include "kernels/launch.hpp"

namespace shoal {

/// Runs body(row, column) for each value of [rows, columns], in no particular order.
template <class Body>
struct EachOfRows {
  static constexpr int lanes = 256;
  static constexpr std::int64_t piece = 4 * lanes;
  struct Shared {};

  std::int64_t columns, pieces;
  Body body;

  SHOAL_HD void operator()(Block block, Shared&) const {
    const std::int64_t row = block.index() / pieces, begin = (block.index() % pieces) * piece;
    const std::int64_t end = begin + piece < columns ? begin + piece : columns;
    block.each([&](int lane) {
      for (std::int64_t column = begin + lane; column < end; column += lanes) body(row, column);
    });
  }
};

template <class Body>
void run_over_rows(OnDevice device, std::int64_t rows, std::int64_t columns, const Body& body) {
  const std::int64_t pieces = (columns + EachOfRows<Body>::piece - 1) / EachOfRows<Body>::piece;
  run_blocks(device, rows * pieces, EachOfRows<Body>{columns, pieces, body});
}

}  // namespace shoal
