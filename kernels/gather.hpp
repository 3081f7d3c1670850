#pragma once
// Gathers rows of a table by position and converts them to float; the table itself keeps its compact type.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"

namespace shoal {

/// Images of `channels` planes of `pixels` values, with a label each; a plain vector has one pixel per channel. A value
/// is read as value * scale + offset in float. T is std::uint8_t or float.
template <class T>
struct ImageTable {
  const T* values = nullptr;             // [n, channels, pixels]
  const std::int32_t* labels = nullptr;  // [n]
  std::int64_t channels = 1, pixels = 1;
  float scale = 1, offset = 0;
};

/// Destination of images: groups of `rows` adjacent images [rows, pixels, channels], whose starts are `stride` apart.
struct ImageGroups {
  float* values = nullptr;
  std::int64_t rows = 1, stride = 0;
};

/// Copies the image at each position into the next place of the groups, channels last, and its label into `labels`
/// [count]. Position -1 gives zeros and label 0.
template <class T>
void gather(const ImageTable<T>& from, std::span<const std::int32_t> positions, const ImageGroups& to,
            std::int64_t* labels);
template <class T>
void gather(OnDevice device, const ImageTable<T>& from, const std::int32_t* positions, std::int64_t count,
            const ImageGroups& to, std::int64_t* labels);

}  // namespace shoal
