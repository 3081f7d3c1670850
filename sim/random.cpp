#include "sim/random.hpp"

#include <numbers>

namespace shoal {

RandomKey random_key(std::uint64_t seed, Purpose purpose) {
  // Philox itself is the hash: a bijection of (seed, purpose), cut to two words.
  const PhiloxBlock out = philox(PhiloxBlock{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                                             static_cast<std::uint32_t>(purpose), 0x5368616fU},
                                 PhiloxKey{0x6c6b6579U, 0x76310000U});
  return {out[0], out[1]};
}

RandomStream::RandomStream(RandomKey key, std::int64_t client, std::int64_t participation)
    : key_{key.word0, key.word1},
      client_low_(static_cast<std::uint32_t>(client)),
      client_high_(static_cast<std::uint32_t>(static_cast<std::uint64_t>(client) >> 32)),
      participation_(static_cast<std::uint32_t>(participation)) {
  if (participation < 0 || participation > 0xffffffffLL) {
    user_error("participation {} does not fit the 32 bits that random draws have for it. Split the run?",
               participation);
  }
}

void RandomStream::refill() {
  ensure(block_ <= 0xffffffffULL, "more than 2^34 random words drawn for one participation and purpose");
  words_ = philox(PhiloxBlock{client_low_, client_high_, participation_, static_cast<std::uint32_t>(block_)}, key_);
  ++block_;
  used_ = 0;
}

std::uint32_t RandomStream::bits() {
  if (used_ == 4) refill();
  return words_[used_++];
}

double RandomStream::uniform() {
  const std::uint32_t high = bits();
  return uniform_double(high, bits());
}

std::uint64_t RandomStream::below(std::uint64_t n) {
  // Lemire's multiply-shift with rejection of the biased remainder.
  const auto draw = [&] {
    const std::uint64_t high = bits();  // one after the other: operands of | have no order
    return high << 32 | bits();
  };
  unsigned __int128 product = static_cast<unsigned __int128>(draw()) * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t threshold = (0 - n) % n;
    while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<unsigned __int128>(draw()) * n;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double RandomStream::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

double RandomStream::gamma(double shape) {
  if (shape < 1) {
    // Gamma(a) = Gamma(a + 1) U^(1/a).
    const double boosted = gamma(shape + 1);
    return boosted * std::pow(1 - uniform(), 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal();
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(1 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

KeyedPermutation::KeyedPermutation(RandomKey key, std::uint64_t round, std::uint64_t n)
    : key_(key), round_(round), n_(n), half_bits_(1) {
  while (half_bits_ < 31 && (std::uint64_t{1} << (2 * half_bits_)) < n) ++half_bits_;
}

std::uint64_t KeyedPermutation::feistel(std::uint64_t x) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = x >> half_bits_, right = x & mask;
  for (std::uint32_t step = 0; step < 6; ++step) {
    const PhiloxBlock f = philox(PhiloxBlock{static_cast<std::uint32_t>(right), static_cast<std::uint32_t>(round_),
                                             static_cast<std::uint32_t>(round_ >> 32), step},
                                 PhiloxKey{key_.word0, key_.word1});
    const std::uint64_t next = left ^ (f[0] & mask);
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

std::uint64_t KeyedPermutation::operator()(std::uint64_t i) const {
  ensure(i < n_, "permutation of {} asked for position {}", n_, i);
  do i = feistel(i);
  while (i >= n_);  // the domain is under 4 n, so this ends after few steps
  return i;
}

}  // namespace shoal
