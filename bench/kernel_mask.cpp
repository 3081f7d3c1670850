// Does adding a mask cost more than generating its key stream? The bound is the library's raw ChaCha20 into a buffer of
// the first-level cache, the faster of its two calls, in the same run. Ring arithmetic is compared with a copy.
#include <sodium/core.h>
#include <sodium/crypto_stream_chacha20.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "bench/bound.hpp"
#include "kernels/device.hpp"
#include "kernels/mask.hpp"
#include "kernels/ring.hpp"

namespace {

using shoal::bench::state_bound;

std::vector<shoal::Mask> some_masks(std::size_t count) {
  std::vector<shoal::Mask> masks(count);
  for (std::size_t i = 0; i < count; ++i) {
    masks[i].stream.key[0] = i;
    masks[i].sign = i % 2 == 0 ? shoal::MaskSign::plus : shoal::MaskSign::minus;
  }
  return masks;
}

// Bytes of key stream a second.
double raw_stream_rate() {
  if (sodium_init() < 0) return 0;
  constexpr std::size_t bytes = 8192, calls = 64;
  std::vector<unsigned char> out(bytes), zeros(bytes);
  const unsigned char key[32] = {1}, nonce[12] = {};
  const double plain = shoal::bench::fastest(50, [&] {
    for (std::size_t i = 0; i < calls; ++i) crypto_stream_chacha20_ietf(out.data(), bytes, nonce, key);
  });
  const double from_zeros = shoal::bench::fastest(50, [&] {
    for (std::size_t i = 0; i < calls; ++i)
      crypto_stream_chacha20_ietf_xor_ic(out.data(), zeros.data(), bytes, nonce, 0, key);
  });
  return bytes * calls / std::min(plain, from_zeros);
}

// Arguments: words, masks.
template <class Word>
void add_masks(benchmark::State& state) {
  const std::size_t words = state.range(0), count = state.range(1);
  std::vector<Word> sum(words);
  const auto masks = some_masks(count);
  const double bound = raw_stream_rate();
  for (auto _ : state) {
    shoal::add_masks<Word>(sum, masks);
    benchmark::ClobberMemory();
  }
  const double bytes = words * count * sizeof(Word);
  state.SetBytesProcessed(state.iterations() * bytes);
  state_bound(state, bytes, bound, "raw ChaCha20 of the library");
}

template <class Word>
void ring_encode(benchmark::State& state) {
  const std::size_t n = state.range(0);
  std::vector<float> row(n);
  for (std::size_t i = 0; i < n; ++i) row[i] = (i % 1000) * 1e-3f - 0.5f;
  std::vector<Word> out(n);
  const double bound = shoal::bench::copy_rate(4 * n);
  for (auto _ : state) {
    shoal::ring_encode<Word, float>(out, row, 600, 20);
    benchmark::ClobberMemory();
  }
  state_bound(state, n * (4 + sizeof(Word)), bound, "copy");
}

template <class Word>
void ring_decode(benchmark::State& state) {
  const std::size_t n = state.range(0);
  const std::vector<Word> sum(n, 12345);
  std::vector<float> out(n);
  const double bound = shoal::bench::copy_rate(4 * n);
  for (auto _ : state) {
    shoal::ring_decode<Word, float>(out, sum, 20, 600);
    benchmark::ClobberMemory();
  }
  state_bound(state, n * (4 + sizeof(Word)), bound, "copy");
}

template <class Word>
void ring_add(benchmark::State& state) {
  const std::size_t n = state.range(0);
  std::vector<Word> sum(n);
  const std::vector<Word> x(n, 3);
  const double bound = shoal::bench::copy_rate(n * sizeof(Word));
  for (auto _ : state) {
    shoal::ring_add<Word>(sum, x);
    benchmark::ClobberMemory();
  }
  state_bound(state, 3 * n * sizeof(Word), bound, "copy");
}

template <class Word>
void device_add_masks(benchmark::State& state) {
  const std::size_t words = state.range(0), count = state.range(1);
  const shoal::OnDevice device;
  shoal::DeviceArray<Word> sum(device, words);
  sum.zero();
  const auto masks = some_masks(count);
  const shoal::DeviceArray<shoal::Mask> there(device, std::span<const shoal::Mask>(masks));
  for (auto _ : state) {
    shoal::add_masks<Word>(device, sum.data(), state.range(0), there.data(), state.range(1));
    shoal::wait(device);
  }
  // Computed, not measured: 976 integer operations for 64 bytes, on 132 multiprocessors of 64 lanes at 1.98 GHz.
  state_bound(state, words * count * sizeof(Word), 1.1e12, "integer operations of an H100 or H200");
}

constexpr std::int64_t small = 199'210, large = 1 << 23;

BENCHMARK(add_masks<std::uint32_t>)->Args({small, 1})->Args({small, 20})->Args({large, 1})->Args({large, 20});
BENCHMARK(add_masks<std::uint64_t>)->Args({small, 1})->Args({small, 20})->Args({large, 1})->Args({large, 20});
BENCHMARK(ring_encode<std::uint32_t>)->Arg(small)->Arg(large);
BENCHMARK(ring_encode<std::uint64_t>)->Arg(small)->Arg(large);
BENCHMARK(ring_decode<std::uint32_t>)->Arg(small)->Arg(large);
BENCHMARK(ring_decode<std::uint64_t>)->Arg(small)->Arg(large);
BENCHMARK(ring_add<std::uint32_t>)->Arg(small)->Arg(large);
BENCHMARK(ring_add<std::uint64_t>)->Arg(small)->Arg(large);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (shoal::gpu_count() > 0) {
    for (const std::int64_t words : {1'199'882, 100'000'000})
      for (const std::int64_t masks : {1, 20}) {
        benchmark::RegisterBenchmark("device/add_masks<uint32>", device_add_masks<std::uint32_t>)->Args({words, masks});
        benchmark::RegisterBenchmark("device/add_masks<uint64>", device_add_masks<std::uint64_t>)->Args({words, masks});
      }
  } else {
    std::puts("device forms: not run, since there is no GPU");
  }
  benchmark::RunSpecifiedBenchmarks();
}
