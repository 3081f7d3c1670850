// Is the fast transform the product with Hadamard's matrix, and the rotation orthogonal, keyed and the same however the
// cache cuts it?
#include "kernels/hadamard.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/kernels/random_values.hpp"

namespace {

using shoal::PhiloxStream;
using shoal::testing::random_row;

constexpr std::int64_t sizes[] = {0, 1, 31, 257, 1'000'003};
constexpr PhiloxStream signs{.key = {{3, 5}}, .row = {7, 0, 1}};

std::vector<float> rotated(const std::vector<float>& row, std::int64_t block) {
  std::vector<float> out(shoal::rotated_size(row.size(), block));
  shoal::rotate(out, row, block, signs);
  return out;
}

double square(const std::vector<float>& row) {
  double sum = 0;
  for (const float x : row) sum += double{x} * double{x};
  return sum;
}

// Sylvester: H[i][j] = (-1)^popcount(i & j). Columns by unit vectors are exact in float.
TEST(WalshHadamard, IsTheProductWithTheMatrix) {
  for (std::uint32_t n = 1; n <= 64; n *= 2)
    for (std::uint32_t j = 0; j < n; ++j) {
      std::vector<float> x(n);
      x[j] = 1;
      shoal::walsh_hadamard(x);
      for (std::uint32_t i = 0; i < n; ++i) EXPECT_EQ(x[i], std::popcount(i & j) % 2 == 0 ? 1 : -1) << n;
    }
}

// Integers below 2^24 / n stay exact, so equality is exact; sizes on both sides of the tiles of the cache.
TEST(WalshHadamard, TwiceIsTheSizeTimesTheIdentity) {
  for (std::int64_t n = 1; n <= 1 << 17; n *= 2) {
    std::mt19937 random(n);
    std::vector<float> x(n);
    for (float& v : x) v = random() % 2 == 0 ? 1.0f : -1.0f;
    std::vector<float> y = x;
    shoal::walsh_hadamard(y);
    shoal::walsh_hadamard(y);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], n * x[i]) << n << " " << i;
  }
  std::vector<float> three(3), none;
  EXPECT_THROW(shoal::walsh_hadamard(three), std::invalid_argument);
  EXPECT_THROW(shoal::walsh_hadamard(none), std::invalid_argument);
}

// Plain stages in the order 1, 2, 4, ...: the fast form must have the same bits, whatever its tiles.
TEST(WalshHadamard, HasTheBitsOfPlainButterflies) {
  for (std::int64_t n = 1; n <= 1 << 20; n *= 2) {
    std::vector<float> x = random_row(n, 1), y = x;
    for (std::size_t h = 1; h < y.size(); h *= 2)
      for (std::size_t i = 0; i < y.size(); ++i)
        if ((i & h) == 0) {
          const float a = y[i], b = y[i + h];
          y[i] = a + b;
          y[i + h] = a - b;
        }
    shoal::walsh_hadamard(x);
    ASSERT_EQ(x, y) << n;
  }
}

TEST(Rotation, PadsOnlyTheLastPiece) {
  EXPECT_EQ(shoal::rotated_size(0), 0);
  EXPECT_EQ(shoal::rotated_size(1), 1);
  EXPECT_EQ(shoal::rotated_size(1'199'882), 1'200'128);
  EXPECT_EQ(shoal::rotated_size(1'199'882, 1 << 21), 1 << 21);
  EXPECT_EQ(shoal::rotated_size(16, 16), 16);
  EXPECT_EQ(shoal::rotated_size(21, 16), 24);
  EXPECT_THROW(shoal::rotated_size(5, 12), std::invalid_argument);
  EXPECT_THROW(shoal::rotated_size(5, 0), std::invalid_argument);
  EXPECT_THROW(shoal::rotated_size(-1, 4), std::invalid_argument);
}

TEST(Rotation, IsSignsThenMatrixByHand) {
  const std::vector<float> row = {1, 2, 3, 4, 5, 6, 7};  // blocks of 4: all, and 3 padded to 4
  std::vector<float> x = row;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (signs.block(0)[0] >> i & 1) x[i] = -x[i];
  x.push_back(0);
  const auto out = rotated(row, 4);
  ASSERT_EQ(out.size(), 8u);
  for (std::size_t p = 0; p < 8; p += 4) {
    EXPECT_EQ(out[p], (x[p] + x[p + 1] + x[p + 2] + x[p + 3]) / 2);
    EXPECT_EQ(out[p + 1], (x[p] - x[p + 1] + x[p + 2] - x[p + 3]) / 2);
    EXPECT_EQ(out[p + 2], (x[p] + x[p + 1] - x[p + 2] - x[p + 3]) / 2);
    EXPECT_EQ(out[p + 3], (x[p] - x[p + 1] - x[p + 2] + x[p + 3]) / 2);
  }
}

// The sign of coordinate i is bit i % 32 of word i / 32. In blocks of 1 the rotation is nothing but the signs.
TEST(Rotation, DrawsSignsByPosition) {
  const std::vector<float> ones(1'000, 1.0f);
  const auto out = rotated(ones, 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto word = signs.block(i / 128)[i / 32 % 4];
    EXPECT_EQ(out[i], (word >> i % 32 & 1) != 0 ? -1.0f : 1.0f) << i;
  }
}

TEST(Rotation, KeepsTheNormAndComesBack) {
  for (const std::int64_t d : sizes)
    for (const std::int64_t block : {std::int64_t{1}, std::int64_t{64}, shoal::hadamard_block, std::int64_t{1} << 20}) {
      const auto row = random_row(d, 2);
      auto out = rotated(row, block);
      EXPECT_NEAR(square(out), square(row), 1e-5 * square(row)) << d << " " << block;
      std::vector<float> back(row.size());
      shoal::rotate_back(back, out, block, signs);
      // Each of up to 2 * 20 additions rounds at 2^-24 of a value of unit size; rounding errors add like a random walk.
      for (std::size_t i = 0; i < row.size(); ++i) ASSERT_NEAR(back[i], row[i], 1e-5) << d << " " << block << " " << i;
    }
}

TEST(Rotation, PiecesAreIndependent) {
  const auto row = random_row(100'000, 3);
  const auto whole = rotated(row, 8192);
  std::vector<float> longer = row;
  longer.resize(120'000, 9.0f);
  const auto other = rotated(longer, 8192);
  for (std::size_t i = 0; i < 12 * 8192; ++i) ASSERT_EQ(whole[i], other[i]);
}

TEST(Rotation, KeepsNanAndInfinityInTheirPiece) {
  auto row = random_row(64, 4);
  row[5] = std::numeric_limits<float>::quiet_NaN();
  row[37] = std::numeric_limits<float>::infinity();
  const auto out = rotated(row, 16);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(std::isfinite(out[i]), i / 16 == 1 || i / 16 == 3) << i;
  std::vector<float> wrong(63);
  EXPECT_THROW(shoal::rotate(wrong, row, 16, signs), std::invalid_argument);
  EXPECT_THROW(shoal::rotate_back(row, wrong, 16, signs), std::invalid_argument);
}

}  // namespace
