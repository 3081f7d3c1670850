#pragma once
// Bounds that benchmarks report beside their results, measured in the same run.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <numeric>
#include <vector>

namespace shoal::bench {

/// Seconds of processor time of the calling thread.
inline double thread_seconds() {
  std::timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

/// Processor time of the fastest of `tries` calls, in seconds. Google Benchmark's rates are per processor time too, so
/// that fractions of the bound are meaningful on a shared machine.
inline double fastest(int tries, const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < tries; ++i) {
    const double start = thread_seconds();
    work();
    best = std::min(best, thread_seconds() - start);
  }
  return best;
}

/// Bytes a second of a memcpy of `bytes` bytes on one core; a byte that is read and written counts twice.
inline double copy_rate(std::size_t bytes) {
  const std::vector<char> from(bytes, 1);
  std::vector<char> to(bytes);
  return 2.0 * bytes / fastest(9, [&] {
           std::memcpy(to.data(), from.data(), bytes);
           benchmark::DoNotOptimize(to.data());
           benchmark::ClobberMemory();
         });
}

/// Bytes a second at which one core reads `bytes` bytes and does next to nothing with them.
inline double read_rate(std::size_t bytes) {
  const std::vector<std::uint64_t> from(bytes / 8, 1);
  return bytes / fastest(9, [&] {
           std::uint64_t sum = std::accumulate(from.begin(), from.end(), std::uint64_t{0});
           benchmark::DoNotOptimize(sum);
         });
}

/// Reports the work of a call (bytes, values, operations) against `bound`, the most work per second: the counter
/// `of_bound` is the fraction reached, and the label names the bound. bench/report prints both.
inline void state_bound(benchmark::State& state, double work, double bound, const char* name) {
  state.counters["work"] = work;
  state.counters["of_bound"] = benchmark::Counter(work / bound, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(name);
}

}  // namespace shoal::bench
