#pragma once
// Random values and bounds that the benchmarks of kernels over rows share.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "bench/bound.hpp"
#include "kernels/philox.hpp"

namespace shoal::bench {

/// Uniform in [-0.5, 0.5).
inline std::vector<float> random_values(std::int64_t n) {
  std::vector<float> values(n);
  for (std::uint32_t i = 0; i < values.size(); ++i) values[i] = uniform_float(philox({{i, 0, 0, 0}}, {})[0]) - 0.5f;
  return values;
}

/// Reports `bytes` read per call against a plain read of as many.
inline void state_read(benchmark::State& state, std::int64_t bytes) {
  state_bound(state, bytes, read_rate(bytes), "read");
}

/// Reports `bytes` read and written per call against a copy that moves as many.
inline void state_copy(benchmark::State& state, std::int64_t bytes) {
  state_bound(state, bytes, copy_rate(bytes / 2), "copy");
}

}  // namespace shoal::bench
