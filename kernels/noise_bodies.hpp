#pragma once
// Arithmetic that the host and device forms of noise share.

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/noise.hpp"

namespace shoal {

enum class Noise { fill, add };

inline void require_columns(std::int64_t first, std::int64_t columns) {
  constexpr std::int64_t limit = std::int64_t{1} << 33;  // two columns for each of 2^32 blocks
  if (first < 0 || first > limit || columns > limit - first)
    throw std::invalid_argument("noise for columns " + std::to_string(first) + " to " +
                                std::to_string(first + columns) + " (a stream has 2^33)");
}

/// Draws block `block` of a stream: those of its two columns that lie in [first, first + columns), column `first` of
/// the stream being row[0].
template <Noise kind, class T>
SHOAL_HD void draw_block(T* row, std::int64_t first, std::int64_t columns, PhiloxKey key, const NoiseStream& stream,
                         std::int64_t block, double deviation) {
  constexpr double circle = 6.283185307179586476925;  // 2 pi
  const PhiloxBlock words =
      philox({{stream.word[0], stream.word[1], stream.word[2], static_cast<std::uint32_t>(block)}}, key);
  const double radius = std::sqrt(-2 * std::log(uniform_for_log(words[0], words[1])));
  const double angle = circle * uniform_double(words[2], words[3]);
  const double normals[2] = {radius * std::cos(angle), radius * std::sin(angle)};
  for (int half = 0; half < 2; ++half) {
    const std::int64_t j = 2 * block + half - first;
    if (j < 0 || j >= columns) continue;
    const T value = deviation * normals[half];
    if constexpr (kind == Noise::add)
      row[j] += value;
    else
      row[j] = value;
  }
}

/// The blocks that overlap [first, first + columns): blocks_of(first, columns) blocks from first_block(first) on.
inline std::int64_t first_block(std::int64_t first) { return first / 2; }
inline std::int64_t blocks_of(std::int64_t first, std::int64_t columns) {
  return columns == 0 ? 0 : (first + columns - 1) / 2 - first_block(first) + 1;
}

}  // namespace shoal
