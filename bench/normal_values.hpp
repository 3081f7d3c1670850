#pragma once
// Standard normal values, the same in every run.

#include <cstdint>
#include <random>
#include <vector>

namespace shoal::bench {

inline std::vector<float> normal_values(std::int64_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

}  // namespace shoal::bench
