#pragma once
// Rounding that the host and device forms of products of rows share, and the bodies of the device forms.

#include <cmath>
#include <cstdint>

#include "kernels/gram.hpp"
#include "kernels/launch.hpp"
#include "kernels/view.hpp"

namespace shoal::gram {

/// Adding and then subtracting it rounds to a multiple of the unit, for magnitudes below 2^51 units.
SHOAL_HD constexpr double anchor(GramScale scale) { return 0x1.8p52 * scale.unit; }

inline constexpr int tile = 32;

/// Adds one chunk of one tile of the lower triangle to sums [n, n], in units of the scale, as integers.
template <bool distances>
struct AddTile {
  static constexpr int lanes = 256;
  static constexpr int per_lane = tile * tile / lanes;
  struct Shared {
    float left[tile][tile + 1], right[tile][tile + 1];  // odd stride: lanes read different banks
    double sum[tile][tile];
  };
  RowView<const float> rows;
  const float* centre;
  GramScale scale;
  std::int64_t chunks;
  std::int64_t* sums;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    std::int64_t row_tile = 0, column_tile = block.index() / chunks;
    while (column_tile > row_tile) column_tile -= ++row_tile;
    const std::int64_t begin = block.index() % chunks * gram_chunk;
    const std::int64_t end = begin + gram_chunk < rows.columns() ? begin + gram_chunk : rows.columns();
    block.each([&](int lane) {
      for (int p = lane; p < tile * tile; p += lanes) shared.sum[p / tile][p % tile] = 0;
    });
    for (std::int64_t first = begin; first < end; first += tile) {
      block.each([&](int lane) {
        for (int p = lane; p < tile * tile; p += lanes) {
          const int i = p / tile, c = p % tile;
          shared.left[i][c] = value(row_tile * tile + i, first + c, end);
          shared.right[i][c] = value(column_tile * tile + i, first + c, end);
        }
      });
      block.each([&](int lane) {
        for (int p = lane; p < tile * tile; p += lanes) {
          double sum = 0;
          for (int c = 0; c < tile; ++c) {
            const double a = shared.left[p / tile][c], b = shared.right[p % tile][c];
            sum = distances ? std::fma(a - b, a - b, sum) : std::fma(a, b, sum);
          }
          shared.sum[p / tile][p % tile] += sum;
        }
      });
    }
    block.each([&](int lane) {
      for (int p = lane; p < tile * tile; p += lanes) {
        const std::int64_t i = row_tile * tile + p / tile, j = column_tile * tile + p % tile;
        if (i >= rows.rows() || j > i) continue;
        Block::add(sums[i * rows.rows() + j],
                   static_cast<std::int64_t>(std::rint(shared.sum[p / tile][p % tile] / scale.unit)));
      }
    });
  }

 private:
  SHOAL_HD float value(std::int64_t i, std::int64_t column, std::int64_t end) const {
    if (i >= rows.rows() || column >= end) return 0;
    const float x = rows.at(i)[column];
    return (centre == nullptr ? x : x - centre[column]) * static_cast<float>(scale.factor);
  }
};

/// Element i n + j: adds the sums of the lower triangle to both halves of a matrix.
struct AddSums {
  std::int64_t n;
  const std::int64_t* sums;
  double to_value;  // the value of one unit
  double* matrix;
  SHOAL_HD void operator()(std::int64_t p) const {
    const std::int64_t i = p / n, j = p % n;
    matrix[p] += sums[i < j ? j * n + i : p] * to_value;
  }
};

/// Element g d + j: column j of group g of output rows, so that a value is read once for the whole group.
struct Combine {
  static constexpr int group = 4;
  const double* weights;
  RowView<const float> rows;
  RowView<float> out;
  SHOAL_HD void operator()(std::int64_t p) const {
    const std::int64_t j = p % rows.columns(), first = p / rows.columns() * group, n = rows.rows();
    const std::int64_t count = out.rows() - first < group ? out.rows() - first : group;
    double sum[group] = {};
    for (std::int64_t i = 0; i < n; ++i) {
      const double x = rows.at(i)[j];
      for (std::int64_t r = 0; r < group; ++r)
        if (r < count) sum[r] = std::fma(weights[(first + r) * n + i], x, sum[r]);
    }
    for (std::int64_t r = 0; r < group; ++r)
      if (r < count) out.at(first + r)[j] = sum[r];
  }
};

}  // namespace shoal::gram
