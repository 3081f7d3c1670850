// How close do coordinate-wise order statistics come to merely reading the rows? Arguments: clients, coordinates; a
// tenth of the clients is dropped from each end.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <vector>

#include "bench/bound.hpp"
#include "bench/normal_values.hpp"
#include "kernels/device.hpp"
#include "kernels/order_statistics.hpp"

namespace {

using shoal::RowView;
using shoal::bench::normal_values;

template <class Rule>
void on_host(benchmark::State& state, const Rule& rule) {
  const std::int64_t n = state.range(0), d = state.range(1);
  const auto values = normal_values(n * d);
  std::vector<const float*> rows;
  for (std::int64_t i = 0; i < n; ++i) rows.push_back(values.data() + i * d);
  std::vector<float> out(d);
  for (auto _ : state) {
    rule(std::span<const float* const>(rows), std::span(out));
    benchmark::ClobberMemory();
  }
  const double bytes = 4.0 * (n * d);
  shoal::bench::state_bound(state, bytes, shoal::bench::read_rate(bytes), "read rate");
}

void median(benchmark::State& state) {
  on_host(state, [](auto rows, auto out) { shoal::medians<float>(rows, out); });
}
void trimmed_mean(benchmark::State& state) {
  on_host(state, [](auto rows, auto out) { shoal::trimmed_means<float>(rows, std::ssize(rows) / 10, out); });
}
void mean_around_median(benchmark::State& state) {
  on_host(state, [](auto rows, auto out) { shoal::means_around_median<float>(rows, std::ssize(rows) / 10, out); });
}

template <class Rule>
void on_device(benchmark::State& state, const Rule& rule) {
  const std::int64_t n = state.range(0), d = state.range(1);
  const shoal::OnDevice device;
  const auto values = normal_values(n * d);
  const shoal::DeviceArray<float> there(device, std::span<const float>(values));
  shoal::DeviceArray<float> out(device, d), zeros(device, values.size());
  const auto write_all = [&] {
    zeros.zero();
    wait(device);
  };
  for (auto _ : state) {
    rule(device, RowView<const float>(there.data(), n, d), out.data());
    wait(device);
  }
  const double bytes = 4.0 * (n * d);
  shoal::bench::state_bound(state, bytes, bytes / shoal::bench::fastest(9, write_all), "memset rate");
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int n : {10, 32, 64, 65, 100, 200, 400, 1000}) benchmark->Args({n, 199'210});
  benchmark->Args({4096, 20'000})->Unit(benchmark::kMillisecond);
}

BENCHMARK(median)->Apply(sizes);
BENCHMARK(trimmed_mean)->Apply(sizes);
BENCHMARK(mean_around_median)->Apply(sizes);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (shoal::gpu_count() > 0) {
    benchmark::RegisterBenchmark("device/median", [](benchmark::State& state) {
      on_device(state, [](auto device, auto rows, float* out) { shoal::medians<float>(device, rows, out); });
    })->Apply(sizes);
    benchmark::RegisterBenchmark("device/trimmed_mean", [](benchmark::State& state) {
      on_device(state, [](auto device, auto rows, float* out) {
        shoal::trimmed_means<float>(device, rows, rows.rows() / 10, out);
      });
    })->Apply(sizes);
    benchmark::RegisterBenchmark("device/mean_around_median", [](benchmark::State& state) {
      on_device(state, [](auto device, auto rows, float* out) {
        shoal::means_around_median<float>(device, rows, rows.rows() / 10, out);
      });
    })->Apply(sizes);
  } else {
    std::puts("device forms: not run, since there is no GPU");
  }
  benchmark::RunSpecifiedBenchmarks();
}
