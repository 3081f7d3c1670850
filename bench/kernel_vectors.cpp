// How close do vector operations over client rows, noise and the hash come to the memory bandwidth of one core? The
// bounds, a plain read and a copy of as many bytes, run in the same program. Bytes of a call: every array once for each
// time it must be read or written.
#include <benchmark/benchmark.h>

#include <vector>

#include "bench/bound.hpp"
#include "bench/rows.hpp"
#include "kernels/noise.hpp"
#include "kernels/tensor_hash.hpp"
#include "kernels/vector_ops.hpp"

namespace {

using shoal::bench::random_values;
using shoal::bench::state_copy;
using shoal::bench::state_read;

constexpr std::int64_t clients = 32;

void norms(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  const auto rows = random_values(clients * d);
  std::vector<double> out(clients);
  for (auto _ : state) {
    shoal::norms<float>({rows.data(), clients, d}, out);
    benchmark::ClobberMemory();
  }
  state_read(state, 4 * clients * d);
}

void weighted_sum_inexact(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  const auto rows = random_values(clients * d);
  const std::vector<double> weights(clients, 1.0 / clients);
  std::vector<float> sum(d);
  for (auto _ : state) {
    shoal::weighted_sum_inexact<float>(sum, {rows.data(), clients, d}, weights);
    benchmark::ClobberMemory();
  }
  state_read(state, 4 * clients * d);
}

void scale_rows(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  auto rows = random_values(clients * d);
  const std::vector<double> factors(clients, -1);
  for (auto _ : state) {
    shoal::scale_rows<float>({rows.data(), clients, d}, factors);
    benchmark::ClobberMemory();
  }
  state_copy(state, 8 * clients * d);
}

void axpy(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  auto y = random_values(d);
  const auto x = random_values(d);
  for (auto _ : state) {
    shoal::axpy<float>(y, 1e-3, x);
    benchmark::ClobberMemory();
  }
  state_copy(state, 12 * d);
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
  state_copy(state, 16 * d);
}

void add_normals(benchmark::State& state) {
  const std::int64_t d = state.range(0);
  auto row = random_values(d);
  const std::vector<shoal::NoiseStream> stream(1);
  for (auto _ : state) {
    shoal::add_normals<float>({row.data(), 1, d}, {}, stream, 1e-3);
    benchmark::ClobberMemory();
  }
  state_copy(state, 8 * d);
}

void tensor_hash(benchmark::State& state) {
  const auto values = random_values(clients * state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(shoal::tensor_hash<float>(values));
  state_read(state, 4 * clients * state.range(0));
}

void sizes(benchmark::internal::Benchmark* benchmark) { benchmark->Arg(199'210)->Arg(4'000'000); }

BENCHMARK(norms)->Apply(sizes);
BENCHMARK(weighted_sum_inexact)->Apply(sizes);
BENCHMARK(scale_rows)->Apply(sizes);
BENCHMARK(axpy)->Apply(sizes);
BENCHMARK(sgd_step)->Apply(sizes);
BENCHMARK(add_normals)->Arg(199'210);
BENCHMARK(tensor_hash)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
