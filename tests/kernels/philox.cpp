// Are the random bits those of the published generator, and the conversions exact at their ends?
#include "kernels/philox.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using shoal::philox;
using shoal::PhiloxBlock;

constexpr std::uint32_t ones = 0xffffffff;

// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
static_assert(philox({{0, 0, 0, 0}}, {{0, 0}}) == PhiloxBlock{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});

TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({}, {}), (PhiloxBlock{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  EXPECT_EQ(philox({{ones, ones, ones, ones}}, {{ones, ones}}),
            (PhiloxBlock{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
  EXPECT_EQ(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, {{0xa4093822, 0x299f31d0}}),
            (PhiloxBlock{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
}

TEST(Philox, EveryWordOfCounterAndKeyMatters) {
  const PhiloxBlock base = philox({}, {});
  for (int i = 0; i < 4; ++i) {
    PhiloxBlock counter;
    counter.word[i] = 1;
    EXPECT_NE(philox(counter, {}), base);
  }
  EXPECT_NE(philox({}, {{1, 0}}), base);
  EXPECT_NE(philox({}, {{0, 1}}), base);
}

TEST(Philox, UniformsStayInTheirIntervals) {
  EXPECT_EQ(shoal::uniform_float(0), 0.0f);
  EXPECT_EQ(shoal::uniform_float(ones), 1.0f - 0x1p-24f);
  EXPECT_EQ(shoal::uniform_float(0x80000000), 0.5f);
  EXPECT_EQ(shoal::uniform_double(0, 0), 0.0);
  EXPECT_EQ(shoal::uniform_double(ones, ones), 1.0 - 0x1p-53);
  EXPECT_EQ(shoal::uniform_double(0x80000000, 0), 0.5);
  EXPECT_EQ(shoal::uniform_double(0, 0x800), 0x1p-53);
  EXPECT_EQ(shoal::uniform_double(0, 0x7ff), 0.0);
}

TEST(Philox, LogarithmOfAUniformIsFinite) {
  EXPECT_EQ(std::log(shoal::uniform_for_log(0, 0)), 0.0);
  EXPECT_EQ(shoal::uniform_for_log(ones, ones), 0x1p-53);
  EXPECT_TRUE(std::isfinite(std::log(shoal::uniform_for_log(ones, ones))));
}

TEST(Philox, MeanAndVarianceOfUniforms) {
  constexpr int blocks = 50'000;
  double sum = 0, squares = 0;
  for (std::uint32_t i = 0; i < blocks; ++i) {
    const PhiloxBlock block = philox({{i, 0, 0, 0}}, {{7, 9}});
    for (int word = 0; word < 4; ++word) {
      const double u = shoal::uniform_float(block[word]);
      sum += u;
      squares += u * u;
    }
  }
  constexpr double n = 4.0 * blocks;
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));  // five standard errors
  EXPECT_NEAR(squares / n, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / n));
}

}  // namespace
