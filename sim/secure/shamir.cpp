#include "sim/secure/shamir.hpp"

#include <sodium/crypto_stream_chacha20.h>
#include <sodium/utils.h>

#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr int limb_bits = 31;
constexpr std::uint64_t limb_mask = (std::uint64_t{1} << limb_bits) - 1;

std::uint64_t power(std::uint64_t base, std::uint64_t exponent) {
  std::uint64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = result * base % shamir_prime;
    base = base * base % shamir_prime;
  }
  return result;
}

// Uniform elements of the field: 32 bits of a key stream, rejected where they are not below p, which is nearly every
// second time.
class FieldElements {
 public:
  explicit FieldElements(const Key256& key) : key_(key) {}
  ~FieldElements() { sodium_memzero(words_.data(), sizeof words_); }

  std::uint32_t next() {
    while (true) {
      if (used_ == words_.size()) refill();
      const std::uint32_t word = words_[used_++];
      if (word < shamir_prime) return word;
    }
  }

 private:
  void refill() {
    constexpr std::array<unsigned char, 12> nonce{};
    static constexpr std::array<unsigned char, sizeof(words_)> zeros{};
    crypto_stream_chacha20_ietf_xor_ic(reinterpret_cast<unsigned char*>(words_.data()), zeros.data(), zeros.size(),
                                       nonce.data(), block_, key_.data());
    block_ += sizeof words_ / 64;
    used_ = 0;
  }

  const Key256& key_;
  std::array<std::uint32_t, 256> words_{};
  std::size_t used_ = 256;
  std::uint32_t block_ = 0;
};

}  // namespace

Limbs limbs_of(const Key256& secret) {
  Limbs limbs{};
  std::uint64_t kept = 0;
  int bits = 0;
  std::size_t byte = 0;
  for (std::uint32_t& limb : limbs) {
    while (bits < limb_bits && byte < secret.size()) {
      kept |= std::uint64_t{secret[byte++]} << bits;
      bits += 8;
    }
    limb = kept & limb_mask;
    kept >>= limb_bits;
    bits -= limb_bits;
  }
  return limbs;
}

std::optional<Key256> secret_of(const Limbs& limbs) {
  Key256 secret{};
  std::uint64_t kept = 0;
  int bits = 0;
  std::size_t byte = 0;
  for (const std::uint32_t limb : limbs) {
    if (limb > limb_mask) return std::nullopt;
    kept |= std::uint64_t{limb} << bits;
    for (bits += limb_bits; bits >= 8 && byte < secret.size(); bits -= 8) {
      secret[byte++] = kept & 0xff;
      kept >>= 8;
    }
  }
  if (kept != 0) return std::nullopt;
  return secret;
}

SharedSecret::SharedSecret(const Key256& secret, std::int64_t threshold, const Key256& randomness) {
  ensure(threshold >= 1, "a threshold of {} shares", threshold);
  FieldElements random(randomness);
  coefficients_.resize(threshold);
  coefficients_[0] = limbs_of(secret);
  for (std::size_t i = 1; i < coefficients_.size(); ++i) {
    for (std::uint32_t& value : coefficients_[i]) value = random.next();
  }
}

SharedSecret::~SharedSecret() { sodium_memzero(coefficients_.data(), coefficients_.size() * sizeof(Limbs)); }

Limbs SharedSecret::share(std::uint32_t x) const {
  ensure(x >= 1, "a share at {}, where the secret is", x);
  std::array<std::uint64_t, secret_limbs> sums{};
  for (std::size_t i = coefficients_.size(); i-- > 0;) {
    for (std::size_t l = 0; l < secret_limbs; ++l) sums[l] = (sums[l] * x + coefficients_[i][l]) % shamir_prime;
  }
  Limbs share;
  for (std::size_t l = 0; l < secret_limbs; ++l) share[l] = static_cast<std::uint32_t>(sums[l]);
  return share;
}

Interpolation::Interpolation(std::span<const std::uint32_t> points) {
  // The factor of point i is the product over j of x_j / (x_j - x_i).
  for (const std::uint32_t own : points) {
    std::uint64_t above = 1, below = 1;
    for (const std::uint32_t other : points) {
      if (other == own) continue;
      above = above * other % shamir_prime;
      below = below * ((other + shamir_prime - own) % shamir_prime) % shamir_prime;
    }
    factors_.push_back(above * power(below, shamir_prime - 2) % shamir_prime);
  }
}

std::uint32_t Interpolation::at_zero(std::span<const std::uint32_t> values) const {
  ensure(values.size() == factors_.size(), "{} values at {} points", values.size(), factors_.size());
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum = (sum + values[i] * factors_[i]) % shamir_prime;
  return static_cast<std::uint32_t>(sum);
}

Limbs Interpolation::at_zero(std::span<const Limbs> shares) const {
  ensure(shares.size() == factors_.size(), "{} shares at {} points", shares.size(), factors_.size());
  std::array<std::uint64_t, secret_limbs> sums{};
  for (std::size_t i = 0; i < shares.size(); ++i) {
    for (std::size_t l = 0; l < secret_limbs; ++l) sums[l] = (sums[l] + shares[i][l] * factors_[i]) % shamir_prime;
  }
  Limbs limbs;
  for (std::size_t l = 0; l < secret_limbs; ++l) limbs[l] = static_cast<std::uint32_t>(sums[l]);
  return limbs;
}

}  // namespace shoal
