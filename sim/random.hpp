#pragma once
// Random numbers that depend on who draws them and for what, never on when, where or in which order they are drawn.
//
// Philox4x32-10 (Salmon et al., SC'11): key = hash of (seed, purpose), counter = (client: 64 bits, participation: 32
// bits, block index: 32 bits). Nothing else may enter: no rank, no thread, no wall time.

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/philox.hpp"
#include "kernels/philox_stream.hpp"
#include "sim/error.hpp"
#include "sim/ids.hpp"

namespace shoal {

struct RandomKey {
  std::uint32_t word0 = 0, word1 = 0;
};

/// The key for one purpose under one seed. The code that draws names its purpose like a path: "planner/ranking",
/// "clients/charging". Draws for different names are independent; a part makes up a name of its own, and nothing else
/// has to know it. Making a key costs as much as several draws: keep it where draws are many.
RandomKey random_key(std::uint64_t seed, std::string_view purpose);

/// The random numbers of one (key, client, participation). Cheap to make: make one where it is used, never share it.
class RandomStream {
 public:
  /// Throws UserError when `participation` does not fit its 32 bits.
  RandomStream(RandomKey key, std::int64_t client, std::int64_t participation = 0);

  std::uint32_t bits();
  /// Uniform in [0, 1).
  double uniform();
  /// Uniform in {0, ..., n - 1}; n >= 1. Unbiased (rejection).
  std::uint64_t below(std::uint64_t n);
  /// Standard normal (Box-Muller).
  double normal();
  /// Gamma with the given shape > 0 and scale 1 (Marsaglia and Tsang 2000).
  double gamma(double shape);

 private:
  void refill();

  PhiloxKey key_;
  std::uint32_t client_low_, client_high_, participation_;
  std::uint64_t block_ = 0;
  PhiloxBlock words_{};
  int used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0;
};

/// The words of RandomStream(key, client, participation) by position, for kernels. Throws UserError as it does.
PhiloxStream philox_stream(RandomKey key, std::int64_t client, std::int64_t participation);

/// Shuffles in place (Fisher-Yates).
template <class T>
void shuffle(std::span<T> items, RandomStream& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

/// A pseudorandom permutation of {0, ..., n - 1} that is computed point by point: a Feistel network over the Philox
/// function, with cycle walking. A cohort is its first m values; nothing of size n is ever stored or shuffled.
class KeyedPermutation {
 public:
  KeyedPermutation(RandomKey key, std::uint64_t round, std::uint64_t n);
  std::uint64_t operator()(std::uint64_t i) const;
  /// out[k] = (*this)(first + k); several at a time, which is faster than one by one.
  void fill(std::uint64_t first, std::span<std::uint64_t> out) const;

 private:
  std::uint64_t feistel(std::uint64_t x) const;

  RandomKey key_;
  std::uint64_t round_, n_;
  int half_bits_;
};

}  // namespace shoal
