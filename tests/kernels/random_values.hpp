#pragma once
// Random values for tests of kernels, the same in every run.

#include <cstdint>
#include <random>
#include <vector>

namespace shoal::testing {

/// Standard normal values, drawn in double.
template <class T>
std::vector<T> random_values(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(n);
  for (T& value : values) value = normal(random);
  return values;
}

/// Uniform values between -bound and bound, drawn in double.
template <class T>
std::vector<T> random_values(std::size_t n, unsigned seed, double bound) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-bound, bound);
  std::vector<T> values(n);
  for (T& value : values) value = uniform(random);
  return values;
}

/// Standard normal values, drawn in float.
inline std::vector<float> random_row(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> row(n);
  for (float& x : row) x = normal(random);
  return row;
}

}  // namespace shoal::testing
