// Are products those of polynomials, and do sums of encoded words wrap exactly as the words do?
#include "sim/secure/lattice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace shoal {
namespace {

std::vector<Coefficient> random_polynomial(std::int64_t degree, Coefficient q, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Coefficient> values(degree);
  for (Coefficient& value : values) value = random() % q;
  return values;
}

// Product modulo X^N + 1, term by term.
std::vector<Coefficient> schoolbook(const std::vector<Coefficient>& a, const std::vector<Coefficient>& b,
                                    Coefficient q) {
  std::vector<Coefficient> product(a.size(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      const Coefficient term = multiply_mod(a[i], b[j], q);
      Coefficient& at = product[(i + j) % a.size()];
      at = i + j < a.size() ? add_mod(at, term, q) : subtract_mod(at, term, q);
    }
  }
  return product;
}

std::vector<Coefficient> by_transform(std::vector<Coefficient> a, std::vector<Coefficient> b, Coefficient q,
                                      const NumberTransform& transform) {
  transform.forward(a);
  transform.forward(b);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = multiply_mod(a[i], b[i], q);
  transform.inverse(a);
  return a;
}

TEST(Lattice, MultipliesPolynomials) {
  // 19 is a primitive 32nd root of unity modulo 97, if its 16th power is -1.
  constexpr Coefficient small = 97, root = 19;
  ASSERT_EQ(power_mod(root, 16, small), small - 1);
  const NumberTransform of_16(16, small, root);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto a = random_polynomial(16, small, seed), b = random_polynomial(16, small, seed + 100);
    EXPECT_EQ(by_transform(a, b, small, of_16), schoolbook(a, b, small));
  }
  const auto a = random_polynomial(lattice_degree, lattice_modulus, 1);
  const auto b = random_polynomial(lattice_degree, lattice_modulus, 2);
  EXPECT_EQ(by_transform(a, b, lattice_modulus, NumberTransform::of_lattice()), schoolbook(a, b, lattice_modulus));
  // X times X^(N - 1) is -1.
  std::vector<Coefficient> x(lattice_degree, 0), last(lattice_degree, 0), minus_one(lattice_degree, 0);
  x[1] = last.back() = 1;
  minus_one[0] = lattice_modulus - 1;
  EXPECT_EQ(by_transform(x, last, lattice_modulus, NumberTransform::of_lattice()), minus_one);
}

TEST(Lattice, HasTheRootOfUnity) {
  EXPECT_EQ(power_mod(11, (lattice_modulus - 1) / 4096), 1'825'344'359'057'201);
  EXPECT_EQ(lattice_modulus, (Coefficient{1} << 54) - 77'823);
  EXPECT_EQ(lattice_modulus % 4096, 1U);
}

// round(q m / 2^32), from exact rational arithmetic.
TEST(Lattice, EncodesWords) {
  EXPECT_EQ(encode_word(1), 4'194'304U);
  EXPECT_EQ(encode_word(123'456'789), 517'815'303'927'619U);
  EXPECT_EQ(encode_word(2'147'483'648), 9'007'199'254'702'081U);
  EXPECT_EQ(encode_word(4'294'967'295), 18'014'398'505'209'857U);
}

// Sums of multiples of floor(q / 2^32) do not wrap as the words do, which is why words are rounded one by one.
TEST(Lattice, DecodesSumsThatWrap) {
  const Coefficient floored = lattice_modulus >> 32;
  const auto sum = [](const std::vector<std::uint32_t>& words, const auto& encode) {
    Coefficient all = 0;
    for (const std::uint32_t word : words) all = add_mod(all, encode(word));
    return decode_word(all);
  };
  const auto right = [](std::uint32_t word) { return encode_word(word); };
  const auto wrong = [&](std::uint32_t word) { return multiply_mod(floored, word); };
  EXPECT_EQ(sum({1u << 31, 1u << 31}, right), 0U);
  EXPECT_EQ(sum({1u << 31, 1u << 31}, wrong), 4'294'966'272U);
  EXPECT_EQ(sum({4'000'000'000, 4'000'000'000, 4'000'000'001}, right), 3'410'065'409U);
  EXPECT_EQ(sum({4'000'000'000, 4'000'000'000, 4'000'000'001}, wrong), 3'410'062'548U);
  for (const int bits : {8, 24, 31}) {  // negative words, whose bits above the ring are set
    Coefficient all = 0;
    for (int i = 0; i < 2500; ++i) all = add_mod(all, encode_word(0xfffffffbU, bits));
    EXPECT_EQ(decode_word(all, bits), (0U - 12'500U) & ((1U << bits) - 1)) << bits;
  }
}

// All errors at their bound and of one sign.
TEST(Lattice, DecodesUpToTheLargestWeight) {
  EXPECT_EQ(most_weight(), 49'344);
  std::mt19937 random(3);
  for (const int sign : {1, -1}) {
    for (const std::uint32_t word : {0u, 1u, 77u, 0x80000000u, 0xffffffffu, static_cast<std::uint32_t>(random())}) {
      Coefficient sum = 0;
      for (std::int64_t i = 0; i < most_weight(); ++i) {
        sum = add_mod(sum, encode_word(word));
        sum = sign > 0 ? add_mod(sum, largest_error) : subtract_mod(sum, largest_error);
      }
      EXPECT_EQ(decode_word(sum), static_cast<std::uint32_t>(word * most_weight())) << word;
    }
  }
  EXPECT_EQ(most_weight(20), 202'116'108);  // 2^12 times as much room
}

TEST(Lattice, DrawsSmallPolynomials) {
  const Key256 key = Transcript("test").hash();
  double sum = 0, squares = 0;
  std::int64_t largest = 0;
  constexpr int polynomials = 100;
  for (int number = 0; number < polynomials; ++number) {
    for (const Coefficient value : small_polynomial(key, number)) {
      const auto signed_value = value > lattice_modulus / 2 ? -static_cast<std::int64_t>(lattice_modulus - value)
                                                            : static_cast<std::int64_t>(value);
      sum += static_cast<double>(signed_value);
      squares += static_cast<double>(signed_value * signed_value);
      largest = std::max(largest, std::abs(signed_value));
    }
  }
  constexpr double count = polynomials * lattice_degree;
  EXPECT_NEAR(sum / count, 0, 5 * std::sqrt(21 / count));
  EXPECT_NEAR(squares / count, 21, 5 * 21 * std::sqrt(2 / count));  // the binomial's variance is 42 / 2
  EXPECT_LE(largest, largest_error);
  EXPECT_GT(largest, 15);
  EXPECT_NE(small_polynomial(key, 0), small_polynomial(key, 1));
}

TEST(Lattice, DrawsUniformPolynomials) {
  const std::vector<Coefficient> values = uniform_polynomial(Transcript("test").hash(), 0, 64'000);
  std::array<double, 64> bins{};
  for (const Coefficient value : values) {
    ASSERT_LT(value, lattice_modulus);
    bins[value >> 48] += 1;
  }
  double chi_square = 0;
  for (const double bin : bins) chi_square += (bin - 1000) * (bin - 1000) / 1000;
  EXPECT_LT(chi_square, 114.4);  // 63 degrees of freedom, p = 1e-4
}

}  // namespace
}  // namespace shoal
