// How close do inner products, distances and combinations of rows come to the rate of a large matrix product of the
// same library? Arguments: clients, coordinates. The work of a Gram matrix is counted as 2 n^2 d, as that of a product
// of two matrices, so its symmetry can bring more than the bound.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <vector>

#include "bench/bound.hpp"
#include "bench/normal_values.hpp"
#include "kernels/device.hpp"
#include "kernels/gram.hpp"

extern "C" void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                       const int*, const float*, const int*, const float*, float*, const int*);

namespace {

using shoal::RowView;
using shoal::bench::normal_values;

// Operations a second of sgemm_ on square matrices.
double product_rate() {
  const int size = 1024;
  const float one = 1, zero = 0;
  const auto a = normal_values(size * size), b = normal_values(size * size);
  std::vector<float> c(a.size());
  return 2.0 * size * size * size / shoal::bench::fastest(9, [&] {
           sgemm_("T", "N", &size, &size, &size, &one, a.data(), &size, b.data(), &size, &zero, c.data(), &size);
           benchmark::DoNotOptimize(c.data());
         });
}

// 2 n^2 d operations per pass of `work` over rows.
template <class Work>
void against_product(benchmark::State& state, const Work& work) {
  const std::int64_t n = state.range(0), d = state.range(1);
  const auto x = normal_values(n * d);
  const RowView<const float> rows(x.data(), n, d);
  std::vector<double> matrix(n * n);
  for (auto _ : state) {
    std::fill(matrix.begin(), matrix.end(), 0);
    work(rows, std::span(matrix));
    benchmark::ClobberMemory();
  }
  shoal::bench::state_bound(state, 2.0 * (n * n * d), product_rate(), "matrix-product rate");
}

void gram(benchmark::State& state) {
  const std::vector<float> centre(state.range(1), 0.1f);
  const auto scale = shoal::gram_scale(10, state.range(1));
  against_product(state, [&](auto rows, auto matrix) { shoal::add_gram(rows, centre, scale, matrix); });
}

void squared_distances(benchmark::State& state) {
  const auto scale = shoal::gram_scale(20, state.range(1));
  against_product(state, [&](auto rows, auto matrix) { shoal::add_squared_distances(rows, scale, matrix); });
}

// One mean of all rows reads them once; n combinations of n rows are a product of matrices, in double.
void combine_to_one(benchmark::State& state) {
  const std::int64_t n = state.range(0), d = state.range(1);
  const auto x = normal_values(n * d);
  const std::vector<double> weights(n, 0.1);
  std::vector<float> out(d);
  for (auto _ : state) {
    shoal::combine(weights, {x.data(), n, d}, {out.data(), 1, d});
    benchmark::ClobberMemory();
  }
  const double bytes = 4.0 * (n * d);
  shoal::bench::state_bound(state, bytes, shoal::bench::read_rate(bytes), "read rate");
}

void combine_to_all(benchmark::State& state) {
  const std::int64_t n = state.range(0), d = state.range(1);
  const std::vector<double> weights(n * n, 0.1);
  std::vector<float> out(n * d);
  against_product(state, [&](auto rows, auto) { shoal::combine(weights, rows, {out.data(), n, d}); });
}

void device_gram(benchmark::State& state) {
  const std::int64_t n = state.range(0), d = state.range(1);
  const shoal::OnDevice device;
  const auto x = normal_values(n * d);
  const shoal::DeviceArray<float> there(device, std::span<const float>(x));
  shoal::DeviceArray<double> matrix(device, n * n);
  const auto scale = shoal::gram_scale(10, d);
  for (auto _ : state) {
    matrix.zero();
    shoal::add_gram(device, {there.data(), n, d}, nullptr, scale, matrix.data());
    wait(device);
  }
  state.counters["operations"] = benchmark::Counter(2.0 * (n * n * d), benchmark::Counter::kIsIterationInvariantRate);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({100, 199'210})->Args({1000, 199'210})->Unit(benchmark::kMillisecond);
}

BENCHMARK(gram)->Apply(sizes);
BENCHMARK(squared_distances)->Args({10, 199'210})->Args({64, 199'210})->Unit(benchmark::kMillisecond);
BENCHMARK(combine_to_one)->Apply(sizes);
BENCHMARK(combine_to_all)->Args({100, 199'210})->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (shoal::gpu_count() > 0) {
    benchmark::RegisterBenchmark("device/gram", device_gram)->Apply(sizes);
  } else {
    std::puts("device forms: not run, since there is no GPU");
  }
  benchmark::RunSpecifiedBenchmarks();
}
