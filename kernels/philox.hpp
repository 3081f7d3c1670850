#pragma once
// Philox4x32-10: the n-th random block is a pure function of (key, counter), with the same bits on host and device.
// Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011, section 3.3.
// Statistical, not cryptographic: never for masks or keys.

#include <cstdint>

#include "kernels/host_device.hpp"

namespace shoal {

/// Four 32-bit words: a counter on the way in, random words on the way out.
struct PhiloxBlock {
  std::uint32_t word[4] = {};
  SHOAL_HD constexpr std::uint32_t operator[](int i) const { return word[i]; }
  friend constexpr bool operator==(const PhiloxBlock&, const PhiloxBlock&) = default;
};

struct PhiloxKey {
  std::uint32_t word[2] = {};
  friend constexpr bool operator==(const PhiloxKey&, const PhiloxKey&) = default;
};

/// The random block of this counter under this key; ten rounds.
SHOAL_HD constexpr PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) {
  std::uint32_t a = counter.word[0], b = counter.word[1], c = counter.word[2], d = counter.word[3];
  std::uint32_t k0 = key.word[0], k1 = key.word[1];
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * a;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c;
    a = (p1 >> 32) ^ b ^ k0;
    b = static_cast<std::uint32_t>(p1);
    c = (p0 >> 32) ^ d ^ k1;
    d = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9u;  // golden ratio and sqrt(3) - 1, the paper's Weyl sequence of round keys
    k1 += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}

/// Uniform in [0, 1), 24 bits: every value is exact in float.
SHOAL_HD constexpr float uniform_float(std::uint32_t x) { return (x >> 8) * 0x1p-24f; }

/// Uniform in [0, 1), 53 bits: every value is exact in double.
SHOAL_HD constexpr double uniform_double(std::uint32_t x0, std::uint32_t x1) {
  return ((std::uint64_t{x0} << 32 | x1) >> 11) * 0x1p-53;
}

/// Uniform in (0, 1], as 1 - u: safe to take the logarithm of.
SHOAL_HD constexpr double uniform_for_log(std::uint32_t x0, std::uint32_t x1) { return 1.0 - uniform_double(x0, x1); }

}  // namespace shoal
