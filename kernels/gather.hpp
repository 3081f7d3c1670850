#pragma once
// Rows of a table, picked by position and made ready for arithmetic: the table stays in its compact type.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"

namespace shoal {

/// Images of `channels` planes of `pixels` values (a plain vector: one pixel per channel), with a label each. Read as
/// value * scale + offset in float. T is std::uint8_t or float.
template <class T>
struct ImageTable {
  const T* values = nullptr;             // [n, channels, pixels]
  const std::int32_t* labels = nullptr;  // [n]
  std::int64_t channels = 1, pixels = 1;
  float scale = 1, offset = 0;
};

/// For each of `count` positions: its image to `values` [count, pixels, channels] (channels last), its label to
/// `labels` [count]. Position -1 gives zeros and label 0.
template <class T>
void gather(const ImageTable<T>& from, std::span<const std::int32_t> positions, float* values, std::int64_t* labels);
template <class T>
void gather(OnDevice device, const ImageTable<T>& from, const std::int32_t* positions, std::int64_t count,
            float* values, std::int64_t* labels);

}  // namespace shoal
