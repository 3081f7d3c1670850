// How far are packing, decoding and the Hadamard rotation from a copy of what they read and write, once each? The bound
// is a memcpy of as many bytes in the same run. Stochastic rounding needs a random word for each value: its bound is
// the rate at which these can be drawn.
#include <cstdio>
#include <vector>

#include "bench/bound.hpp"
#include "kernels/device.hpp"
#include "kernels/hadamard.hpp"
#include "kernels/quantize.hpp"

namespace {

using shoal::PhiloxStream;
using shoal::RowView;
using shoal::ScaleRule;
using shoal::bench::state_bound;

constexpr PhiloxStream stream{.key = {{1, 2}}, .row = {3, 4, 5}};

std::vector<float> some_values(std::int64_t n) {
  std::vector<float> values(n);
  for (std::uint32_t i = 0; i < values.size(); ++i)
    values[i] = shoal::uniform_float(shoal::philox({{i}}, {})[0]) - 0.5f;
  return values;
}

std::size_t packed_size(std::int64_t n, int bits) { return shoal::packed_bytes(n, bits); }

// Measures work(), which reads and writes `bytes` bytes in all.
template <class Work>
void beside_a_copy(benchmark::State& state, double bytes, const Work& work) {
  const double bound = shoal::bench::copy_rate(bytes / 2);
  for (auto _ : state) {
    work();
    benchmark::ClobberMemory();
  }
  state_bound(state, bytes, bound, "copy");
}

// Values per second if drawing their random words, in the first-level cache, were the only work.
double random_rate() {
  std::vector<std::uint32_t> words(1024);
  return 1024 / shoal::bench::fastest(5000, [&] {
           shoal::philox_words(words, stream, 0);
           benchmark::DoNotOptimize(words.data());
         });
}

// Arguments: values, bits.
void quantize(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const int bits = state.range(1);
  const auto row = some_values(n);
  std::vector<std::uint8_t> packed(packed_size(n, bits));
  const double bound = random_rate();
  for (auto _ : state) {
    shoal::quantize(packed, row, 0.5f, bits, stream);
    benchmark::ClobberMemory();
  }
  state_bound(state, n, bound, "Philox words");
}

void dequantize(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const int bits = state.range(1);
  const std::vector<std::uint8_t> packed(packed_size(n, bits), 0x55);
  std::vector<float> row(n);
  beside_a_copy(state, packed.size() + 4.0 * n, [&] { shoal::dequantize(row, packed, 0.5f, bits); });
}

void quantize_signs(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const auto row = some_values(n);
  std::vector<std::uint8_t> packed(packed_size(n, 1));
  beside_a_copy(state, 4.125 * n, [&] { shoal::quantize_signs(packed, row); });
}

void dequantize_signs(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::vector<std::uint8_t> packed(packed_size(n, 1), 0x55);
  std::vector<float> row(n);
  beside_a_copy(state, 4.125 * n, [&] { shoal::dequantize_signs(row, packed, 0.5f); });
}

void scale(benchmark::State& state, ScaleRule rule) {
  const auto row = some_values(state.range(0));
  const double bytes = 4.0 * row.size(), bound = shoal::bench::read_rate(4 * row.size());
  for (auto _ : state) benchmark::DoNotOptimize(shoal::quantization_scale(row, rule));
  state_bound(state, bytes, bound, "read");
}

void pack(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const int bits = state.range(1);
  const std::vector<std::uint16_t> codes(n, 1);
  std::vector<std::uint8_t> packed(packed_size(n, bits));
  beside_a_copy(state, packed.size() + 2.0 * n, [&] { shoal::pack(packed, codes, bits); });
}

void unpack(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const int bits = state.range(1);
  const std::vector<std::uint8_t> packed(packed_size(n, bits), 0x55);
  std::vector<std::uint16_t> codes(n);
  beside_a_copy(state, packed.size() + 2.0 * n, [&] { shoal::unpack(codes, packed, bits); });
}

// Arguments: values, block.
void rotate(benchmark::State& state) {
  const auto row = some_values(state.range(0));
  std::vector<float> out(shoal::rotated_size(state.range(0), state.range(1)));
  beside_a_copy(state, 4.0 * (row.size() + out.size()), [&] { shoal::rotate(out, row, state.range(1), stream); });
}

constexpr std::int64_t small = 199'210, large = 1 << 23;

void with_bits(benchmark::internal::Benchmark* one) {
  for (const std::int64_t n : {small, large})
    for (const std::int64_t bits : {2, 4, 8, 11, 16}) one->Args({n, bits});
}

BENCHMARK_CAPTURE(scale, l2_norm, ScaleRule::l2_norm)->Arg(small)->Arg(large);
BENCHMARK_CAPTURE(scale, largest, ScaleRule::largest)->Arg(small)->Arg(large);
BENCHMARK_CAPTURE(scale, mean_magnitude, ScaleRule::mean_magnitude)->Arg(small)->Arg(large);
BENCHMARK(quantize)->Apply(with_bits);
BENCHMARK(dequantize)->Apply(with_bits);
BENCHMARK(quantize_signs)->Arg(small)->Arg(large);
BENCHMARK(dequantize_signs)->Arg(small)->Arg(large);
BENCHMARK(pack)->Apply(with_bits);
BENCHMARK(unpack)->Apply(with_bits);
BENCHMARK(rotate)->ArgsProduct({{small, large}, {4096, 8192, 1 << 14, 1 << 17, 1 << 23}});

// On the device: K = 32 rows of a million values, against setting as many bytes to zero there.
constexpr std::int64_t rows = 32, columns = 1 << 20;

template <class Work>
void beside_zeroing(benchmark::State& state, double bytes, const Work& work) {
  const shoal::OnDevice device;
  shoal::DeviceArray<std::uint8_t> zeros(device, bytes);
  const double bound = bytes / shoal::bench::fastest(9, [&] {
                         zeros.zero();
                         shoal::wait(device);
                       });
  for (auto _ : state) {
    work(device);
    shoal::wait(device);
  }
  state_bound(state, bytes, bound, "memset rate");
}

void device_quantize(benchmark::State& state) {
  const shoal::OnDevice device;
  const int bits = state.range(0);
  const std::int64_t bytes = shoal::packed_bytes(columns, bits);
  shoal::DeviceArray<float> values(device, rows * columns);
  values.zero();
  shoal::DeviceArray<std::uint8_t> packed(device, rows * bytes);
  const std::vector<float> scales(rows, 0.5f);
  const std::vector<PhiloxStream> streams(rows, stream);
  const shoal::DeviceArray<float> there(device, std::span<const float>(scales));
  const shoal::DeviceArray<PhiloxStream> random(device, std::span<const PhiloxStream>(streams));
  beside_zeroing(state, 4 * values.size() + packed.size(), [&](shoal::OnDevice on) {
    shoal::quantize(on, RowView<std::uint8_t>(packed.data(), rows, bytes),
                    RowView<const float>(values.data(), rows, columns), there.data(), bits, random.data());
  });
}

void device_rotate(benchmark::State& state) {
  const shoal::OnDevice device;
  shoal::DeviceArray<float> values(device, rows * columns), out(device, values.size());
  values.zero();
  const std::vector<PhiloxStream> streams(rows, stream);
  const shoal::DeviceArray<PhiloxStream> signs(device, std::span<const PhiloxStream>(streams));
  beside_zeroing(state, 8 * values.size(), [&](shoal::OnDevice on) {
    shoal::rotate(on, RowView<float>(out.data(), rows, columns), RowView<const float>(values.data(), rows, columns),
                  state.range(0), signs.data());
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (shoal::gpu_count() > 0) {
    benchmark::RegisterBenchmark("device/quantize", device_quantize)->Arg(2)->Arg(4)->Arg(8);
    benchmark::RegisterBenchmark("device/rotate", device_rotate)->Arg(8192)->Arg(1 << 20);
  } else {
    std::puts("device forms: not run, since there is no GPU");
  }
  benchmark::RunSpecifiedBenchmarks();
}
