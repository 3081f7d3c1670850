// Do ring vectors follow fixed-point arithmetic, wrap around where they must and refuse values that do not fit?
#include "kernels/ring.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace {

template <class Word>
class Ring : public testing::Test {};
using Words = testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(Ring, Words);

constexpr std::size_t sizes[] = {0, 1, 31, 257, 1'000'003};

template <class Word>
std::vector<Word> encode(const std::vector<float>& row, std::int64_t weight, int exponent) {
  std::vector<Word> out(row.size(), 77);
  shoal::ring_encode<Word, float>(out, row, weight, exponent);
  return out;
}

TEST(RingBits, FollowTheClosedForm) {
  EXPECT_EQ(shoal::ring_bits(10, 16), 20);
  EXPECT_EQ(shoal::ring_bits(100, 16), 23);
  EXPECT_EQ(shoal::ring_bits(1'000, 16), 26);
  EXPECT_EQ(shoal::ring_bits(10'000, 16), 30);
  EXPECT_EQ(shoal::ring_bits(65'537, 16), 32);
  EXPECT_EQ(shoal::ring_bits(65'538, 16), 33);
  // Bonawitz et al. 2017 count 26 and 30 bits for these two.
  EXPECT_EQ(shoal::ring_bits(1 << 10, 16), 26);
  EXPECT_EQ(shoal::ring_bits(1 << 14, 16), 30);
  EXPECT_EQ(shoal::ring_bits(1, 1), 1);
  EXPECT_THROW(shoal::ring_bits(0, 16), std::invalid_argument);
  EXPECT_THROW(shoal::ring_bits(1, 33), std::invalid_argument);
  EXPECT_THROW(shoal::ring_bits(std::int64_t{1} << 33, 32), std::invalid_argument);
}

TYPED_TEST(Ring, EncodesByHand) {
  using Word = TypeParam;
  const auto minus = [](std::uint64_t x) -> Word { return -x; };
  EXPECT_EQ(encode<Word>({1.5f, -1.5f, 0.25f, 0.125f, 0.375f, -0.125f, 0.0f}, 3, 2),
            (std::vector<Word>{18, minus(18), 3, 0, 6, 0, 0}));  // halves go to even
  EXPECT_EQ(encode<Word>({1, -2}, -5, 0), (std::vector<Word>{minus(5), 10}));
  EXPECT_EQ(encode<Word>({1, -2}, 0, 0), (std::vector<Word>{0, 0}));
}

TYPED_TEST(Ring, DecodesTheSignedMean) {
  using Word = TypeParam;
  const std::vector<Word> sum = {18, static_cast<Word>(-18), 0, std::numeric_limits<Word>::max() / 2};
  std::vector<double> mean(4);
  shoal::ring_decode<Word, double>(mean, sum, 2, 3);
  EXPECT_EQ(mean[0], 1.5);
  EXPECT_EQ(mean[1], -1.5);
  EXPECT_EQ(mean[2], 0);
  const double largest = sum[3];
  EXPECT_EQ(mean[3], largest / 12);
}

// Fast conversions round as the language's own do, for numbers of every length and at the ends of the range.
TYPED_TEST(Ring, DecodesWithOneRounding) {
  using Word = TypeParam;
  std::mt19937_64 random(2);
  std::vector<Word> words = {0, 1, std::numeric_limits<Word>::max(), std::numeric_limits<Word>::max() / 2,
                             std::numeric_limits<Word>::max() / 2 + 1};
  for (int i = 0; i < 100'000; ++i) words.push_back(random() >> i % 64);
  for (int i = 0; i < 100'000; ++i) words.push_back(-words[i]);
  std::vector<double> values(words.size());
  shoal::ring_decode<Word, double>(values, words, 0, 1);
  for (std::size_t i = 0; i < words.size(); ++i)
    ASSERT_EQ(values[i], static_cast<double>(static_cast<std::make_signed_t<Word>>(words[i]))) << words[i];
}

TYPED_TEST(Ring, AddsAndSubtractsModuloItsSize) {
  using Word = TypeParam;
  constexpr Word top = std::numeric_limits<Word>::max();
  std::vector<Word> sum = {top, 0, 5};
  const std::vector<Word> x = {1, 1, top};
  shoal::ring_add<Word>(sum, x);
  EXPECT_EQ(sum, (std::vector<Word>{0, 1, 4}));
  shoal::ring_subtract<Word>(sum, x);
  EXPECT_EQ(sum, (std::vector<Word>{top, 0, 5}));
  EXPECT_THROW(shoal::ring_add<Word>(sum, std::vector<Word>(2)), std::invalid_argument);
}

TYPED_TEST(Ring, RefusesValuesThatDoNotFit) {
  using Word = TypeParam;
  constexpr int bits = std::numeric_limits<Word>::digits;
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()})
    for (const std::int64_t weight : {0, 1})
      EXPECT_THROW(encode<Word>({0, bad, 0}, weight, 0), std::overflow_error) << bad << " " << weight;
  EXPECT_EQ(encode<Word>({1}, (std::int64_t{1} << (bits - 2)), 0)[0], Word{1} << (bits - 2));
  EXPECT_THROW(encode<Word>({1}, std::int64_t{1} << (bits - 2), 1), std::overflow_error);
  EXPECT_THROW(encode<Word>({-1}, std::int64_t{1} << (bits - 2), 1), std::overflow_error);
  EXPECT_THROW(encode<Word>({1}, 1, 901), std::invalid_argument);
  std::vector<Word> two(2);
  EXPECT_THROW((shoal::ring_encode<Word, float>(two, std::vector<float>(3), 1, 0)), std::invalid_argument);
}

// The exponent for a bound and a total weight: values at the bound, all of one sign, neither overflow nor lose sign.
TYPED_TEST(Ring, HoldsTheWorstSumAtItsExponent) {
  using Word = TypeParam;
  for (const double bound : {1e-3, 0.7, 1.0, 123.0})
    for (const std::int64_t clients : {1, 2, 1000, 1 << 20}) {
      const int exponent = shoal::ring_exponent<Word>(clients, bound);
      const double largest = clients * bound * std::ldexp(1.0, exponent);
      const double limit = std::ldexp(1.0, std::numeric_limits<Word>::digits - 2);
      EXPECT_LT(largest, limit);
      EXPECT_GE(2 * largest, limit);  // one more would be too many
      const std::vector<double> row = {bound, -bound};
      std::vector<Word> sum(2);
      shoal::ring_encode<Word, double>(sum, row, clients, exponent);
      std::vector<double> mean(2);
      shoal::ring_decode<Word, double>(mean, sum, exponent, clients);
      EXPECT_NEAR(mean[0], bound, std::ldexp(1.0, -exponent));
      EXPECT_EQ(mean[1], -mean[0]);
    }
  EXPECT_THROW(shoal::ring_exponent<Word>(0x1p63, 1), std::invalid_argument);
  EXPECT_THROW(shoal::ring_exponent<Word>(1, -1), std::invalid_argument);
}

TYPED_TEST(Ring, AgreesWithPlainArithmeticInAnyRanges) {
  using Word = TypeParam;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const std::size_t n : sizes) {
    std::vector<float> row(n);
    for (float& x : row) x = uniform(random);
    const auto words = encode<Word>(row, 600, 20);
    for (std::size_t i = 0; i < n; ++i) {
      const long long q = std::llrint(row[i] * 0x1p20);
      ASSERT_EQ(words[i], static_cast<Word>(600 * q)) << i;
    }
    std::vector<Word> pieces(n);
    for (std::size_t begin = 0; begin < n; begin += 999) {
      const std::size_t size = std::min<std::size_t>(999, n - begin);
      shoal::ring_encode<Word, float>(std::span(pieces).subspan(begin, size), std::span(row).subspan(begin, size), 600,
                                      20);
    }
    EXPECT_EQ(pieces, words);
  }
}

}  // namespace
