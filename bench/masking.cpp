// Does a masked sum cost more than its key streams and key agreements? The bound is the raw time of both in the
// library, in the same run: crypto_stream_chacha20_ietf and crypto_scalarmult, called as often as the session calls
// them.
#include <sodium/core.h>
#include <sodium/crypto_scalarmult.h>
#include <sodium/crypto_stream_chacha20.h>

#include <vector>

#include "bench/bound.hpp"
#include "sim/secure/graph_rule.hpp"
#include "sim/secure/masking_session.hpp"

namespace {

using namespace shoal;
using Word = std::uint32_t;

double stream_seconds_per_byte() {
  constexpr std::size_t bytes = 8192, calls = 64;
  std::vector<unsigned char> out(bytes);
  const unsigned char key[32] = {1}, nonce[12] = {};
  const double seconds = bench::fastest(50, [&] {
    for (std::size_t i = 0; i < calls; ++i) crypto_stream_chacha20_ietf(out.data(), bytes, nonce, key);
  });
  return seconds / (bytes * calls);
}

double agreement_seconds() {
  const Key256 secret = Transcript("bench").hash(), other = agreement_keys(Transcript("other").hash()).open;
  Key256 shared;
  return bench::fastest(
      50, [&] { benchmark::DoNotOptimize(crypto_scalarmult(shared.data(), secret.data(), other.data())); });
}

// Arguments: clients, neighbours, threshold, values, clients of 100 that are lost after sharing. A whole session on one
// thread: `server` says whose part is timed.
void masked_sum(benchmark::State& state, bool server) {
  if (sodium_init() < 0) return;
  const std::int64_t clients = state.range(0), degree = state.range(1), values = state.range(3);
  std::vector<Reached> reached(clients, Reached::answered);
  for (std::int64_t i = 0; i < clients * state.range(4) / 100; ++i) reached[i * 100 / state.range(4)] = Reached::shared;
  const double per_byte = stream_seconds_per_byte(), per_agreement = agreement_seconds();
  std::vector<Word> own(values), sum(values);
  std::int64_t masks = 0, agreements = 0;
  for (auto _ : state) {
    state.PauseTiming();
    MaskingSession session({.threshold = state.range(2)}, NeighbourGraph(clients, degree, {1, 2}),
                           degree == clients - 1, [](Party party) { return Transcript("bench").add(party).hash(); });
    std::vector<Mask> all;
    for (Party party = 0; party < clients; ++party) session.masks(party, std::vector(clients, Reached::nothing));
    const std::int64_t before = session.agreements();
    state.ResumeTiming();
    masks = 0;
    for (Party party = 0; party < clients; ++party) {
      if (server) {
        const std::vector<Mask> left = session.removal(party, reached);
        all.insert(all.end(), left.begin(), left.end());
      } else if (reached[party] >= Reached::sent) {
        const std::vector<Mask> added = session.masks(party, reached);
        masks += std::ssize(added);
        add_masks<Word>(own, added);
      }
    }
    if (server) {
      masks = std::ssize(all);
      constexpr std::size_t piece = 4096;
      for (std::size_t first = 0; first < sum.size(); first += piece) {
        add_masks<Word>(std::span(sum).subspan(first, std::min(piece, sum.size() - first)), all, first);
      }
    }
    benchmark::ClobberMemory();
    agreements = session.agreements() - before;
  }
  state.counters["masks"] = static_cast<double>(masks);
  state.counters["agreements"] = static_cast<double>(agreements);
  const double bound = masks * values * 4.0 * per_byte + agreements * per_agreement;
  bench::state_bound(state, bound, 1, "raw ChaCha20 and X25519 of the library");
}

// 50 clients on the full graph with 10 % lost.
BENCHMARK_CAPTURE(masked_sum, clients, false)->Args({50, 49, 26, 199'210, 10})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(masked_sum, server, true)->Args({50, 49, 26, 199'210, 10})->Unit(benchmark::kMillisecond);
// 1,000 clients of 100,000 values, 30 % lost: full graph, and the degree for 5 % corrupt and 33 % lost clients.
BENCHMARK_CAPTURE(masked_sum, server, true)
    ->Args({1000, 999, 501, 100'000, 30})
    ->Args({1000, 72, 24, 100'000, 30})
    ->Unit(benchmark::kSecond)
    ->Iterations(1);

void shares(benchmark::State& state) {
  const Key256 secret = Transcript("bench").hash();
  for (auto _ : state) {
    const SharedSecret shared(secret, state.range(1), secret);
    for (std::uint32_t x = 1; x <= state.range(0); ++x) benchmark::DoNotOptimize(shared.share(x));
  }
  // One product and one reduction a limb, coefficient and party, at 3 GHz and one a cycle.
  bench::state_bound(state, 9.0 * state.range(0) * state.range(1), 3e9, "a product a cycle at 3 GHz");
}
BENCHMARK(shares)->Args({62, 44})->Args({1000, 501})->Unit(benchmark::kMicrosecond);

}  // namespace
