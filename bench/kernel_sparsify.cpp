// How close do selections of one percent come to merely reading a row? What do error feedback, random sets and sparse
// sums cost beside them? Argument: coordinates.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <vector>

#include "bench/bound.hpp"
#include "bench/normal_values.hpp"
#include "kernels/device.hpp"
#include "kernels/sparsify.hpp"

namespace {

using shoal::RowView;
using shoal::bench::normal_values;
using shoal::bench::state_bound;

void against_read(benchmark::State& state, std::int64_t bytes) {
  state_bound(state, bytes, shoal::bench::read_rate(bytes), "read rate");
}

void top_k(benchmark::State& state) {
  const auto x = normal_values(state.range(0));
  std::vector<std::uint32_t> indices(x.size() / 100);
  int reads = 0;
  for (auto _ : state) reads = shoal::top_k(x, indices);
  state.counters["reads"] = reads;
  against_read(state, 4 * state.range(0));
}

// A few equal values: the sample's threshold selects too much, so histograms decide.
void top_k_of_ties(benchmark::State& state) {
  auto x = normal_values(state.range(0));
  for (float& value : x) value = value > 0 ? 1 : 0;
  std::vector<std::uint32_t> indices(x.size() / 100);
  int reads = 0;
  for (auto _ : state) reads = shoal::top_k(x, indices);
  state.counters["reads"] = reads;
  against_read(state, 4 * state.range(0));
}

// Reads memory and update, writes memory: the bound is a copy of as many bytes.
void top_k_with_memory(benchmark::State& state) {
  const auto update = normal_values(state.range(0));
  auto memory = normal_values(state.range(0));
  std::vector<std::uint32_t> indices(update.size() / 100);
  std::vector<float> values(indices.size());
  for (auto _ : state) shoal::top_k_with_memory(memory, update, indices, values);
  state_bound(state, 12.0 * state.range(0), shoal::bench::copy_rate(6 * update.size()), "copy rate");
}

void at_least(benchmark::State& state) {
  const auto x = normal_values(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(shoal::at_least(x, 2.5758f));  // one percent of a normal distribution
  against_read(state, 4 * state.range(0));
}

void random_k(benchmark::State& state) {
  std::vector<std::uint32_t> indices(state.range(0) / 100);
  for (auto _ : state) {
    shoal::random_k({{1, 2}}, {}, state.range(0), indices);
    benchmark::ClobberMemory();
  }
  against_read(state, state.range(0) / 8 + 4 * std::ssize(indices));  // a bit per coordinate, an index per choice
}

void scatter_add(benchmark::State& state) {
  const auto x = normal_values(state.range(0));
  std::vector<std::uint32_t> indices(x.size() / 100);
  std::vector<float> values(indices.size());
  std::vector<std::int64_t> sum(x.size());
  shoal::top_k(x, indices);
  shoal::gather(x, indices, values);
  std::int64_t sign = 1;
  for (auto _ : state) {
    shoal::scatter_add(sum, indices, values, sign, 30);
    sign = -sign;  // the sums return to zero, however long this runs
    benchmark::ClobberMemory();
  }
  // Every sum lies in a cache line of its own, which is read and written.
  state_bound(state, 136.0 * indices.size(), shoal::bench::copy_rate(8 * x.size()), "copy rate");
}

void device_top_k(benchmark::State& state) {
  const std::int64_t rows = 100, d = state.range(0), k = d / 100;
  const shoal::OnDevice device;
  const auto x = normal_values(rows * d);
  const shoal::DeviceArray<float> there(device, std::span<const float>(x));
  shoal::DeviceArray<float> zeros(device, x.size());
  shoal::DeviceArray<std::uint32_t> indices(device, rows * k);
  for (auto _ : state) {
    shoal::top_k(device, RowView<const float>(there.data(), rows, d), k, indices.data());
    wait(device);
  }
  const double bytes = 4.0 * x.size();
  const auto write_all = [&] {
    zeros.zero();
    wait(device);
  };
  state_bound(state, bytes, bytes / shoal::bench::fastest(9, write_all), "memset rate");
}

void sizes(benchmark::internal::Benchmark* benchmark) { benchmark->Arg(199'210)->Arg(1'199'882)->Arg(10'000'000); }

BENCHMARK(top_k)->Apply(sizes);
BENCHMARK(top_k_of_ties)->Apply(sizes);
BENCHMARK(top_k_with_memory)->Apply(sizes);
BENCHMARK(at_least)->Apply(sizes);
BENCHMARK(random_k)->Apply(sizes);
BENCHMARK(scatter_add)->Apply(sizes);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (shoal::gpu_count() > 0) {
    benchmark::RegisterBenchmark("device/top_k, 100 rows", device_top_k)->Arg(199'210)->Arg(1'199'882);
  } else {
    std::puts("device forms: not run, since there is no GPU");
  }
  benchmark::RunSpecifiedBenchmarks();
}
