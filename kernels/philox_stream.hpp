#pragma once
// Random words of one row, by position: what a kernel draws for coordinate i is a function of (key, row, i), wherever
// that coordinate is computed.

#include <cstdint>
#include <span>

#include "kernels/philox.hpp"

namespace shoal {

/// Word i is word i % 4 of the Philox block with counter (row[0], row[1], row[2], i / 4): 2^34 words. `row`
/// identifies the row, for example by the two halves of a client's id and its participation.
struct PhiloxStream {
  PhiloxKey key;
  std::uint32_t row[3] = {};

  SHOAL_HD constexpr PhiloxBlock block(std::int64_t i) const {
    return philox({{row[0], row[1], row[2], static_cast<std::uint32_t>(i)}}, key);
  }
};

inline constexpr std::int64_t philox_stream_words = std::int64_t{1} << 34;

/// Fills `words` with the stream's words from word 4 * first_block on, several blocks at a time.
void philox_words(std::span<std::uint32_t> words, const PhiloxStream& stream, std::int64_t first_block);

}  // namespace shoal
