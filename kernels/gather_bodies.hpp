#pragma once
// Bodies that the host and device forms of gather.hpp share, for one value and for one label.

#include "kernels/gather.hpp"

namespace shoal {

template <class T>
struct GatherValue {
  ImageTable<T> from;
  const std::int32_t* positions;
  ImageGroups to;

  SHOAL_HD void operator()(std::int64_t i) const {
    const std::int64_t size = from.channels * from.pixels;
    const std::int64_t row = i / size, place = i % size, position = positions[row];
    float& value = to.values[row / to.rows * to.stride + row % to.rows * size + place];
    const std::int64_t pixel = place / from.channels, channel = place % from.channels;
    if (position < 0) {
      value = 0;
    } else {
      value = from.values[position * size + channel * from.pixels + pixel] * from.scale + from.offset;
    }
  }
};

struct GatherLabel {
  const std::int32_t* from;
  const std::int32_t* positions;
  std::int64_t* to;

  SHOAL_HD void operator()(std::int64_t i) const { to[i] = positions[i] < 0 ? 0 : from[positions[i]]; }
};

}  // namespace shoal
