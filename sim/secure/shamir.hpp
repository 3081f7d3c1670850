#pragma once
// Secret sharing (Shamir, CACM 1979) over the field of p = 2^31 + 11: any `threshold` shares of a secret give it, fewer
// say nothing about it. A secret of 256 bits is cut into nine limbs of 31 bits, each shared by a polynomial of its own.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/secure/primitives.hpp"

namespace shoal {

inline constexpr std::uint64_t shamir_prime = (std::uint64_t{1} << 31) + 11;
inline constexpr std::size_t secret_limbs = 9;

using Limbs = std::array<std::uint32_t, secret_limbs>;

/// The limbs of a secret read as a number in little-endian order, the lowest first.
Limbs limbs_of(const Key256& secret);
/// Nothing if the limbs are not those of 256 bits, as when a share was wrong.
std::optional<Key256> secret_of(const Limbs& limbs);

/// The polynomials of one secret.
class SharedSecret {
 public:
  /// The coefficients follow from `randomness`, uniform in the field.
  SharedSecret(const Key256& secret, std::int64_t threshold, const Key256& randomness);
  ~SharedSecret();
  SharedSecret(const SharedSecret&) = delete;

  /// The share of the party with the number `x`, which is at least 1.
  Limbs share(std::uint32_t x) const;

 private:
  std::vector<Limbs> coefficients_;  // factors of x^0, x^1, ...
};

/// Rebuilds what polynomials are at 0 from their values at some points, which are distinct and not 0.
class Interpolation {
 public:
  explicit Interpolation(std::span<const std::uint32_t> points);
  std::uint32_t at_zero(std::span<const std::uint32_t> values) const;
  Limbs at_zero(std::span<const Limbs> shares) const;

 private:
  std::vector<std::uint64_t> factors_;  // Lagrange's coefficients
};

}  // namespace shoal
