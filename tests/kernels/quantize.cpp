// Do codes represent the right levels at every scale, however a row is cut?
#include "kernels/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/kernels/random_values.hpp"

namespace {

using shoal::PhiloxStream;
using shoal::ScaleRule;
using shoal::testing::random_row;

constexpr std::int64_t sizes[] = {0, 1, 31, 257, 1'000'003};
constexpr PhiloxStream stream{.key = {{1, 2}}, .row = {3, 0, 4}};
constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

std::vector<std::uint8_t> quantized(const std::vector<float>& row, float scale, int bits) {
  std::vector<std::uint8_t> packed(shoal::packed_bytes(row.size(), bits));
  shoal::quantize(packed, row, scale, bits, stream);
  return packed;
}

std::vector<float> round_trip(const std::vector<float>& row, float scale, int bits) {
  std::vector<float> out(row.size());
  shoal::dequantize(out, quantized(row, scale, bits), scale, bits);
  return out;
}

TEST(Scale, ByHand) {
  const std::vector<float> row = {3, -4, 0, -0.0f};
  EXPECT_EQ(shoal::quantization_scale(row, ScaleRule::l2_norm), 5);
  EXPECT_EQ(shoal::quantization_scale(row, ScaleRule::largest), 4);
  EXPECT_EQ(shoal::quantization_scale(row, ScaleRule::mean_magnitude), 1.75f);
  for (const ScaleRule rule : {ScaleRule::l2_norm, ScaleRule::largest, ScaleRule::mean_magnitude}) {
    EXPECT_EQ(shoal::quantization_scale({}, rule), 0);
    for (const float bad : {inf, -inf, nan, -nan}) {
      auto many = random_row(1'000, 1);
      many[700] = bad;
      EXPECT_FALSE(std::isfinite(shoal::quantization_scale(many, rule))) << bad;
    }
  }
}

TEST(Scale, AgreesWithPlainSums) {
  for (const std::int64_t n : sizes) {
    const auto row = random_row(n, 2);
    long double squares = 0, magnitudes = 0;
    float largest = 0;
    for (const float x : row) {
      const long double wide = x;
      squares += wide * wide;
      magnitudes += std::fabs(x);
    }
    for (const float x : row) largest = std::max(largest, std::fabs(x));
    EXPECT_FLOAT_EQ(shoal::quantization_scale(row, ScaleRule::l2_norm), static_cast<float>(std::sqrt(squares)));
    EXPECT_EQ(shoal::quantization_scale(row, ScaleRule::largest), largest);
    EXPECT_FLOAT_EQ(shoal::quantization_scale(row, ScaleRule::mean_magnitude),
                    n == 0 ? 0 : static_cast<float>(magnitudes / n));
  }
}

// Values on the grid are levels themselves: no draw can move them.
TEST(Quantize, KeepsValuesOnTheGrid) {
  for (int bits = 2; bits <= 16; ++bits) {
    const int s = shoal::largest_level(bits);
    std::vector<float> row;
    for (int level = -s; level <= s; level += std::max(1, s / 50)) row.push_back(level);
    const float largest = s;
    row.insert(row.end(), {0.0f, -0.0f, largest, -largest});
    EXPECT_EQ(round_trip(row, s, bits), row) << bits;
  }
}

TEST(Quantize, PacksLevelPlusLargestLevel) {
  // s = 3: -3, -1, 0, 3 and 2 become codes 0, 2, 3, 6 and 5 of 3 bits, the first one lowest.
  const int number = 0 | 2 << 3 | 3 << 6 | 6 << 9 | 5 << 12;
  EXPECT_EQ(quantized({-3, -1, 0, 3, 2}, 3, 3), (std::vector<std::uint8_t>{number & 0xff, number >> 8}));
}

// The definition in double with the words of the stream, except where a draw is too close to its threshold for float to
// decide it in the same way.
TEST(Quantize, RoundsUpWhereTheDrawIsBelowTheFraction) {
  for (const std::int64_t n : sizes)
    for (const int bits : {2, 5, 8, 11}) {
      const auto row = random_row(n, 3);
      const float scale = shoal::quantization_scale(row, ScaleRule::largest);
      const auto out = round_trip(row, scale, bits);
      const int s = shoal::largest_level(bits);
      std::int64_t undecided = 0;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const double y = std::fabs(double{row[i]}) / scale * s, below = std::floor(y);
        const double u = shoal::uniform_float(stream.block(i / 4)[i % 4]);
        if (std::fabs(u - (y - below)) < 1e-3) {
          ++undecided;
          continue;
        }
        const double level = std::copysign(below + (u < y - below ? 1 : 0), row[i]);
        ASSERT_NEAR(out[i], level * scale / s, 1e-6 * scale) << i << " of " << n << ", " << bits << " bits";
      }
      EXPECT_LE(undecided, 5 + 0.003 * n);  // expected 0.002 n
    }
}

TEST(Quantize, ClipsAtTheScaleAndTakesExtremeScales) {
  EXPECT_EQ(round_trip({5, -5, inf, -inf}, 2, 4), (std::vector<float>{2, -2, 2, -2}));
  EXPECT_EQ(round_trip({5, 3e38f, 0}, 0, 4), (std::vector<float>{0, 0, 0}));
  for (const float scale : {std::numeric_limits<float>::denorm_min() * 4, 1e-40f, 1e-25f, 1e25f, 3e38f}) {
    const auto out = round_trip({scale, -scale, 0, scale / 2}, scale, 2);
    EXPECT_EQ(out[0], scale);
    EXPECT_EQ(out[1], -scale);
    EXPECT_EQ(out[2], 0);
    EXPECT_TRUE(out[3] == 0 || out[3] == scale) << scale;
  }
}

TEST(Quantize, DoesNotDependOnHowARowIsCut) {
  const auto row = random_row(10'003, 4);
  for (const int bits : {2, 3, 7, 8, 13, 16}) {
    const auto whole = quantized(row, 4, bits);
    for (const std::size_t length : {8, 24, 1'000, 1'024, 4'096}) {
      std::vector<std::uint8_t> pieces(whole.size());
      for (std::size_t begin = 0; begin < row.size(); begin += length) {
        const std::size_t n = std::min(length, row.size() - begin), bytes = (n * bits + 7) / 8;
        shoal::quantize(std::span(pieces).subspan(begin * bits / 8, bytes), std::span(row).subspan(begin, n), 4, bits,
                        stream, begin);
      }
      EXPECT_EQ(pieces, whole) << bits << " bits, pieces of " << length;
    }
  }
}

TEST(Quantize, RefusesWrongBitsSizesAndScales) {
  std::vector<std::uint8_t> packed(2);
  const std::vector<float> row(8);
  for (const int bits : {-1, 0, 1, 17}) {
    std::vector<float> out(8);
    EXPECT_THROW(shoal::quantize(packed, row, 1, bits, stream), std::invalid_argument) << bits;
    EXPECT_THROW(shoal::dequantize(out, packed, 1, bits), std::invalid_argument) << bits;
  }
  for (const float scale : {inf, nan, -1.0f})
    EXPECT_THROW(shoal::quantize(packed, row, scale, 2, stream), std::invalid_argument) << scale;
  EXPECT_THROW(shoal::quantize(packed, row, 1, 3, stream), std::invalid_argument);
  EXPECT_THROW(shoal::quantize(packed, row, 1, 2, stream, 4), std::invalid_argument);
  EXPECT_THROW(shoal::quantize(packed, row, 1, 2, stream, std::int64_t{1} << 34), std::invalid_argument);
}

TEST(Signs, ByHandAndAtEverySize) {
  std::vector<std::uint8_t> packed(2);
  const std::vector<float> row = {1, -1, 0, -0.0f, -2, 3, nan, -inf, inf, -1e-40f};
  shoal::quantize_signs(packed, row);
  EXPECT_EQ(packed, (std::vector<std::uint8_t>{0b10010010, 0b10}));
  std::vector<float> out(10);
  shoal::dequantize_signs(out, packed, 0.5f);
  EXPECT_EQ(out, (std::vector<float>{.5f, -.5f, .5f, .5f, -.5f, .5f, .5f, -.5f, .5f, -.5f}));
  for (const std::int64_t n : sizes) {
    const auto many = random_row(n, 5);
    std::vector<std::uint8_t> bits(shoal::packed_bytes(n, 1));
    shoal::quantize_signs(bits, many);
    std::vector<float> back(many.size());
    shoal::dequantize_signs(back, bits, 2);
    for (std::size_t i = 0; i < many.size(); ++i) ASSERT_EQ(back[i], many[i] < 0 ? -2 : 2);
    EXPECT_THROW(shoal::quantize_signs(bits, std::vector<float>(many.size() + 8)), std::invalid_argument);
  }
}

TEST(Pack, PutsBitsInLittleEndianOrder) {
  for (int bits = 1; bits <= 16; ++bits)
    for (const std::int64_t n : {0, 1, 7, 8, 9, 31, 257, 100'003}) {
      std::mt19937 random(bits);
      std::vector<std::uint16_t> codes(n), back(codes.size(), 0xffff);
      for (auto& code : codes) code = random();  // with higher bits that must be dropped
      std::vector<std::uint8_t> packed((n * bits + 7) / 8, 0xff), expected(packed.size());
      shoal::pack(packed, codes, bits);
      for (std::size_t bit = 0; bit < codes.size() * bits; ++bit) {
        const std::size_t width = bits;
        expected[bit / 8] |= (codes[bit / width] >> bit % width & 1) << bit % 8;
      }
      EXPECT_EQ(packed, expected) << bits << " bits, " << n << " codes";
      shoal::unpack(back, packed, bits);
      for (auto& code : codes) code &= (1 << bits) - 1;
      EXPECT_EQ(back, codes) << bits << " bits, " << n << " codes";
    }
  std::vector<std::uint8_t> packed(3);
  std::vector<std::uint16_t> codes(8);
  EXPECT_THROW(shoal::pack(packed, codes, 0), std::invalid_argument);
  EXPECT_THROW(shoal::pack(packed, codes, 17), std::invalid_argument);
  EXPECT_THROW(shoal::pack(packed, codes, 4), std::invalid_argument);
  EXPECT_THROW(shoal::unpack(codes, packed, 2), std::invalid_argument);
}

}  // namespace
