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

/// Where images go: groups of `rows` adjacent ones [rows, pixels, channels], groups `stride` values apart.
struct ImageGroups {
  float* values = nullptr;
  std::int64_t rows = 1, stride = 0;
};

/// For each position, which count up through the groups: its image (channels last), and its label to `labels` [count].
/// Position -1 gives zeros and label 0.
template <class T>
void gather(const ImageTable<T>& from, std::span<const std::int32_t> positions, const ImageGroups& to,
            std::int64_t* labels);
template <class T>
void gather(OnDevice device, const ImageTable<T>& from, const std::int32_t* positions, std::int64_t count,
            const ImageGroups& to, std::int64_t* labels);

}  // namespace shoal
