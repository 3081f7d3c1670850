// Do enough shares give a secret, and do fewer say nothing?
#include "sim/secure/shamir.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace shoal {
namespace {

Key256 some_secret(std::uint8_t first) {
  Key256 secret;
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(first + 37 * i);
  return secret;
}

// Shares of the secret 33 with threshold 3 in google-parfait/federated-compute, as two big-endian limbs each.
TEST(Shamir, ReadsSharesOfAnotherProgram) {
  const std::vector<std::array<std::uint8_t, 8>> shares = {{112, 207, 118, 46, 110, 212, 170, 28},
                                                           {48, 160, 197, 172, 38, 235, 145, 204},
                                                           {63, 115, 238, 144, 40, 68, 183, 71},
                                                           {29, 72, 240, 207, 114, 224, 26, 141},
                                                           {74, 31, 204, 116, 6, 189, 187, 136}};
  const auto limb = [&](std::size_t share, std::size_t l) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i) word = word << 8 | shares[share][4 * l + i];
    return word;
  };
  int subsets = 0;
  for (std::uint32_t a = 0; a < 5; ++a) {
    for (std::uint32_t b = a + 1; b < 5; ++b) {
      for (std::uint32_t c = b + 1; c < 5; ++c, ++subsets) {
        const Interpolation at(std::vector<std::uint32_t>{a + 1, b + 1, c + 1});
        EXPECT_EQ(at.at_zero(std::vector{limb(a, 0), limb(b, 0), limb(c, 0)}), 0U);
        EXPECT_EQ(at.at_zero(std::vector{limb(a, 1), limb(b, 1), limb(c, 1)}), 33U);
      }
    }
  }
  EXPECT_EQ(subsets, 10);
}

TEST(Shamir, CutsSecretsIntoLimbs) {
  Key256 all;
  all.fill(0xff);
  const Limbs limbs = limbs_of(all);
  for (std::size_t l = 0; l < 8; ++l) EXPECT_EQ(limbs[l], 0x7fffffffU);
  EXPECT_EQ(limbs[8], 0xffU);  // 256 - 8 * 31 bits
  EXPECT_EQ(secret_of(limbs), all);
  EXPECT_EQ(limbs_of({0, 0, 0, 0x80})[1], 1U);
  EXPECT_EQ(secret_of(limbs_of(some_secret(5))), some_secret(5));
  EXPECT_EQ(secret_of({0, 0, 0, 0, 0, 0, 0, 0, 0x100}), std::nullopt);
  EXPECT_EQ(secret_of({0x80000000}), std::nullopt);
}

TEST(Shamir, RebuildsFromAnyEnoughShares) {
  const Key256 secret = some_secret(9);
  const SharedSecret shared(secret, 4, some_secret(1));
  const std::vector<std::uint32_t> all = {1, 2, 7, 62, 1000, 99999, 1u << 20};
  for (std::size_t skipped = 0; skipped < all.size(); ++skipped) {
    std::vector<std::uint32_t> points;
    for (std::size_t i = 0; i < 4; ++i) points.push_back(all[(skipped + i) % all.size()]);
    std::vector<Limbs> shares;
    for (const std::uint32_t x : points) shares.push_back(shared.share(x));
    EXPECT_EQ(secret_of(Interpolation(points).at_zero(shares)), secret);
    // One share less, or a wrong one, gives something else.
    const std::vector<std::uint32_t> fewer(points.begin(), points.end() - 1);
    const std::vector<Limbs> three(shares.begin(), shares.end() - 1);
    EXPECT_NE(secret_of(Interpolation(fewer).at_zero(three)), secret);
    shares[2][3] ^= 1;
    EXPECT_NE(secret_of(Interpolation(points).at_zero(shares)), secret);
  }
}

// For any two shares of a threshold of 3 and any secret there is exactly one polynomial: fewer shares than the
// threshold fit every secret, so they say nothing.
TEST(Shamir, FewSharesFitEverySecret) {
  const SharedSecret shared(some_secret(9), 3, some_secret(1));
  const std::uint32_t y1 = shared.share(1)[0], y2 = shared.share(2)[0];
  std::set<std::uint32_t> thirds;
  for (std::uint32_t secret = 0; secret < 1000; ++secret) {
    // The value at 3 of the parabola through (0, secret), (1, y1), (2, y2): secret - 3 y1 + 3 y2.
    const std::uint64_t third = (secret + 3 * (shamir_prime - y1) + 3 * std::uint64_t{y2}) % shamir_prime;
    thirds.insert(static_cast<std::uint32_t>(third));
    EXPECT_EQ(Interpolation(std::vector<std::uint32_t>{1, 2, 3})
                  .at_zero(std::vector{y1, y2, static_cast<std::uint32_t>(third)}),
              secret);
  }
  EXPECT_EQ(thirds.size(), 1000U);
}

TEST(Shamir, SharesAreUniform) {
  // The share of one party over many random polynomials of one secret: chi-square over 64 ranges of the field.
  constexpr int draws = 20'000, ranges = 64;
  std::array<double, ranges> counts{};
  const int secrets = draws / 9;
  for (int i = 0; i < secrets; ++i) {
    const Key256 randomness = Transcript("test").add(i).hash();
    for (const std::uint32_t value : SharedSecret(some_secret(0), 2, randomness).share(5)) {
      counts[value * std::uint64_t{ranges} / shamir_prime] += 1;
    }
  }
  const double expected = secrets * 9.0 / ranges;
  double chi_square = 0;
  for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 114.4);  // 63 degrees of freedom, p = 1e-4
  EXPECT_GT(chi_square, 26);     // p = 1 - 1e-4
}

}  // namespace
}  // namespace shoal
