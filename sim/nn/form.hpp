#pragma once
// The shape of the examples that a model takes.

#include <cstdint>

namespace shoal {

/// Shape of one example, channels first; a plain vector of features is {n, 1, 1}.
struct Shape {
  std::int64_t channels = 1, height = 1, width = 1;
  std::int64_t size() const { return channels * height * width; }
  bool operator==(const Shape&) const = default;
};

}  // namespace shoal
