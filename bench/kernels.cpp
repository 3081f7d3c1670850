// How close do the host kernels come to the memory bandwidth of one core? The bound, a copy, runs in the same binary:
// compare bytes_per_second at equal d. A copy counts one read and one write, kernels every array they must touch once.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/fixed_point.hpp"
#include "kernels/philox.hpp"
#include "kernels/vector_ops.hpp"

namespace {

constexpr std::int64_t clients = 32;

std::vector<float> random_values(std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = shoal::uniform_float(shoal::philox({{static_cast<std::uint32_t>(i), 0, 0, 0}}, {})[0]) - 0.5f;
  return values;
}

void count_bytes(benchmark::State& state, std::int64_t per_call) {
  state.SetBytesProcessed(state.iterations() * per_call);
}

void copy(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  const auto from = random_values(d);
  auto to = random_values(d);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), sizeof(float) * static_cast<std::size_t>(d));
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, 8 * d);
}

void copy_rows(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  const auto from = random_values(clients * d);
  auto to = random_values(clients * d);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), sizeof(float) * static_cast<std::size_t>(clients * d));
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, 8 * clients * d);
}

void add_rows(benchmark::State& state, int exponent) {
  const std::int64_t d = state.range(0);
  const auto values = random_values(clients * d);
  const std::vector<std::int64_t> weights(clients, 600);
  std::vector<std::int64_t> sum(static_cast<std::size_t>(d));
  for (auto _ : state) {
    std::fill(sum.begin(), sum.end(), 0);
    shoal::accumulate_rows<float>(sum, {values.data(), clients, d}, weights, exponent);
    benchmark::ClobberMemory();
  }
  count_bytes(state, (4 * clients + 16) * d);
}

void accumulate_rows(benchmark::State& state) { add_rows(state, 32); }
// Products beyond 2^51: a small cohort whose values come close to their bound.
void accumulate_rows_near_bound(benchmark::State& state) { add_rows(state, 46); }

void accumulate_difference(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  const auto before = random_values(d), after = random_values(2 * d);
  std::vector<std::int64_t> sum(static_cast<std::size_t>(d));
  std::int64_t sign = 600;
  for (auto _ : state) {
    shoal::accumulate_difference<float>(sum, std::span(after).last(before.size()), before, sign, 30);
    sign = -sign;  // the sums return to zero, however long this runs
    benchmark::ClobberMemory();
  }
  count_bytes(state, 24 * d);
}

void scan(benchmark::State& state) {
  const auto row = random_values(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(shoal::scan<float>(row));
  count_bytes(state, 4 * state.range(0));
}

void scan_rows(benchmark::State& state) {
  const auto rows = random_values(clients * state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(shoal::scan<float>(rows));
  count_bytes(state, 4 * clients * state.range(0));
}

void norm(benchmark::State& state) {
  const auto row = random_values(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(shoal::norm<float>(row));
  count_bytes(state, 4 * state.range(0));
}

void sgd_step(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  auto y = random_values(d);
  const auto g = random_values(d), anchor = random_values(d);
  const shoal::SgdStep<float> step{.rate = 1e-6, .pull = 0.1, .anchor = anchor, .shift = {}, .buffer = {}};
  for (auto _ : state) {
    shoal::sgd_step<float>(y, g, step);
    benchmark::ClobberMemory();
  }
  count_bytes(state, 16 * d);
}

void sizes(benchmark::internal::Benchmark* benchmark) { benchmark->Arg(199'210)->Arg(4'000'000); }

BENCHMARK(copy)->Apply(sizes);
BENCHMARK(copy_rows)->Apply(sizes);
BENCHMARK(accumulate_rows)->Apply(sizes);
BENCHMARK(accumulate_rows_near_bound)->Apply(sizes);
BENCHMARK(accumulate_difference)->Apply(sizes);
BENCHMARK(scan)->Apply(sizes);
BENCHMARK(scan_rows)->Apply(sizes);
BENCHMARK(norm)->Apply(sizes);
BENCHMARK(sgd_step)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
