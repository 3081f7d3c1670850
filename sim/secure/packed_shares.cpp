#include "sim/secure/packed_shares.hpp"

#include "sim/error.hpp"

namespace shoal {
namespace {

// Row i, column j: the factor of the value at from[j] in the value at to[i] of the polynomial through all `from`.
std::vector<std::vector<Coefficient>> lagrange(std::span<const Coefficient> from, std::span<const Coefficient> to) {
  std::vector<std::vector<Coefficient>> factors(to.size(), std::vector<Coefficient>(from.size()));
  for (std::size_t j = 0; j < from.size(); ++j) {
    Coefficient below = 1;
    for (std::size_t k = 0; k < from.size(); ++k) {
      if (k != j) below = multiply_mod(below, subtract_mod(from[j], from[k]));
    }
    const Coefficient inverse = power_mod(below, lattice_modulus - 2);
    for (std::size_t i = 0; i < to.size(); ++i) {
      Coefficient above = inverse;
      for (std::size_t k = 0; k < from.size(); ++k) {
        if (k != j) above = multiply_mod(above, subtract_mod(to[i], from[k]));
      }
      factors[i][j] = above;
    }
  }
  return factors;
}

std::vector<Coefficient> points(std::int64_t first, std::int64_t count) {
  std::vector<Coefficient> all;
  for (std::int64_t i = 0; i < count; ++i) all.push_back(first + i);
  return all;
}

// Products of values below 2^54: up to 2^20 of them fit 128 bits.
Coefficient inner_product(std::span<const Coefficient> a, const Coefficient* b) {
  unsigned __int128 sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<unsigned __int128>(a[i]) * b[i];
  return static_cast<Coefficient>(sum % lattice_modulus);
}

}  // namespace

// Secrets are at the points 0 to 15, random values behind them, members behind those.
PackedShares::PackedShares(const Committee& committee)
    : committee_(committee),
      basis_(lagrange(points(0, members_needed()), points(members_needed(), committee.members))) {}

std::vector<std::vector<Coefficient>> PackedShares::share(std::span<const Coefficient> key,
                                                          const Key256& randomness) const {
  ensure(std::ssize(key) == lattice_degree, "a key of {} coefficients", key.size());
  const std::vector<Coefficient> random = uniform_polynomial(randomness, 0, share_words * committee_.corrupt);
  std::vector<std::vector<Coefficient>> shares(committee_.members, std::vector<Coefficient>(share_words));
  std::vector<Coefficient> values(members_needed());
  for (std::int64_t p = 0; p < share_words; ++p) {
    for (std::int64_t i = 0; i < packed_coefficients; ++i) values[i] = key[p * packed_coefficients + i];
    for (std::int64_t i = 0; i < committee_.corrupt; ++i) {
      values[packed_coefficients + i] = random[p * committee_.corrupt + i];
    }
    for (std::int64_t member = 0; member < committee_.members; ++member) {
      shares[member][p] = inner_product(basis_[member], values.data());
    }
  }
  return shares;
}

std::vector<Coefficient> PackedShares::rebuild(std::span<const std::int32_t> from,
                                               std::span<const std::vector<Coefficient>> shares) const {
  ensure(std::ssize(from) == members_needed() && shares.size() == from.size(), "shares of {} members ({} are needed)",
         from.size(), members_needed());
  std::vector<Coefficient> at;
  for (const std::int32_t member : from) at.push_back(members_needed() + member);
  const std::vector<std::vector<Coefficient>> factors = lagrange(at, points(0, packed_coefficients));
  std::vector<Coefficient> key(lattice_degree), values(at.size());
  for (std::int64_t p = 0; p < share_words; ++p) {
    for (std::size_t j = 0; j < values.size(); ++j) values[j] = shares[j][p];
    for (std::int64_t i = 0; i < packed_coefficients; ++i) {
      key[p * packed_coefficients + i] = inner_product(factors[i], values.data());
    }
  }
  return key;
}

}  // namespace shoal
