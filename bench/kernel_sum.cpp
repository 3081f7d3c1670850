// How close does the exact sum come to the rate at which one core reads the same rows? The bound, a plain read of as
// many bytes, runs in the same program. Bytes of a call: the rows, once.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "bench/bound.hpp"
#include "bench/rows.hpp"
#include "kernels/fixed_point.hpp"

namespace {

using shoal::RowView;
using shoal::bench::random_values;
using shoal::bench::state_read;

constexpr std::int64_t clients = 32;

void sum_of_rows(benchmark::State& state, std::int64_t count, int exponent) {
  const std::int64_t d = state.range(0);
  const auto values = random_values(count * d);
  const std::vector<std::int64_t> weights(count, 600);
  std::vector<std::int64_t> sum(d);
  for (auto _ : state) {
    std::fill(sum.begin(), sum.end(), 0);
    shoal::accumulate_rows<float>(sum, {values.data(), count, d}, weights, exponent);
    benchmark::ClobberMemory();
  }
  state_read(state, 4 * count * d);
}

void accumulate_rows(benchmark::State& state) { sum_of_rows(state, clients, 32); }
// Products beyond 2^51: a small cohort whose values come close to their bound.
void accumulate_rows_near_bound(benchmark::State& state) { sum_of_rows(state, clients, 46); }
void accumulate_one_row(benchmark::State& state) { sum_of_rows(state, 1, 32); }
void accumulate_one_row_near_bound(benchmark::State& state) { sum_of_rows(state, 1, 46); }

void accumulate_difference(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  const auto before = random_values(d), after = random_values(2 * d);
  std::vector<std::int64_t> sum(d);
  std::int64_t weight = 600;
  for (auto _ : state) {
    shoal::accumulate_difference<float>(sum, std::span(after).last(before.size()), before, weight, 30);
    weight = -weight;  // the sums return to zero, however long this runs
    benchmark::ClobberMemory();
  }
  state_read(state, 8 * d);
}

void scan(benchmark::State& state) {
  const auto rows = random_values(clients * state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(shoal::scan<float>(rows));
  state_read(state, 4 * clients * state.range(0));
}

void to_mean(benchmark::State& state) {
  const std::vector<std::int64_t> sum(state.range(0), 12345);
  std::vector<float> mean(sum.size());
  for (auto _ : state) {
    shoal::to_mean<float>(sum, 40, 600, mean);
    benchmark::ClobberMemory();
  }
  state_read(state, 8 * state.range(0));
}

void sizes(benchmark::internal::Benchmark* benchmark) { benchmark->Arg(199'210)->Arg(4'000'000); }

BENCHMARK(accumulate_rows)->Apply(sizes);
BENCHMARK(accumulate_rows_near_bound)->Apply(sizes);
BENCHMARK(accumulate_one_row)->Apply(sizes);
BENCHMARK(accumulate_one_row_near_bound)->Apply(sizes);
BENCHMARK(accumulate_difference)->Apply(sizes);
BENCHMARK(scan)->Apply(sizes);
BENCHMARK(to_mean)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
