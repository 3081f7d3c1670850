// How long do a client's only message, its sealing and the opening of a sum take? Times are printed beside those of the
// transforms that they cannot do without, in the same run.
#include "sim/secure/one_shot.hpp"

#include <numeric>

#include "bench/bound.hpp"

namespace {

using namespace shoal;

constexpr Committee committee{.members = 40, .corrupt = 13, .needed = 29};
constexpr std::int64_t values = 199'210;

OneShotTerms some_terms() {
  OneShotTerms terms{.committee = committee, .blocks = (values + lattice_degree - 1) / lattice_degree};
  for (std::int32_t m = 0; m < committee.members; ++m) {
    terms.decryptors.push_back(agreement_keys(Transcript("bench").add(m).hash()).open);
  }
  return terms;
}

// Seconds of one inverse transform for each block.
double transforms(std::int64_t blocks) {
  std::vector<Coefficient> block(lattice_degree, 12345);
  return static_cast<double>(blocks) * bench::fastest(50, [&] { NumberTransform::of_lattice().inverse(block); });
}

void message(benchmark::State& state) {
  const OneShotTerms terms = some_terms();
  const std::vector<Coefficient> polynomials = public_polynomials(terms);
  const PackedShares shares(committee);
  const std::vector<std::uint32_t> words(values, 7);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        one_shot_message(terms, polynomials, shares, {}, Transcript("bench").hash(), words).ciphertext.data());
  }
  bench::state_bound(state, transforms(terms.blocks), 1, "inverse transforms");
}
BENCHMARK(message)->Unit(benchmark::kMillisecond);

void share(benchmark::State& state) {
  const PackedShares shares(committee);
  const std::vector<Coefficient> key(lattice_degree, 3);
  for (auto _ : state) benchmark::DoNotOptimize(shares.share(key, Transcript("bench").hash()).data());
  bench::state_bound(state, transforms(1), 1, "one inverse transform");
}
BENCHMARK(share)->Unit(benchmark::kMillisecond);

void opening(benchmark::State& state) {
  const OneShotTerms terms = some_terms();
  const std::vector<Coefficient> polynomials = public_polynomials(terms), sum(terms.blocks * lattice_degree, 99);
  const PackedShares shares(committee);
  std::vector<std::int32_t> from(shares.members_needed());
  std::iota(from.begin(), from.end(), 0);
  const std::vector<std::vector<Coefficient>> answers(from.size(), std::vector<Coefficient>(share_words, 5));
  for (auto _ : state) {
    benchmark::DoNotOptimize(open_sum(terms, polynomials, sum, shares.rebuild(from, answers)).data());
  }
  bench::state_bound(state, transforms(terms.blocks), 1, "inverse transforms");
}
BENCHMARK(opening)->Unit(benchmark::kMillisecond);

}  // namespace
