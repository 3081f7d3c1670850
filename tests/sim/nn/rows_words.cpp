// Words: rounding to nearest against integer arithmetic on the bits of values, random rounding against its draws and
// its probabilities, and sums of words.
#include "sim/nn/word_rows.hpp"

#include <gtest/gtest.h>

#include "sim/error.hpp"
#include "tests/sim/nn/rows_of.hpp"

namespace shoal {
namespace {

using test::block_of;
using Weights = std::vector<std::int64_t>;

const RandomKey key{5, 6};

std::int64_t word(const Rows& rows, std::int64_t k, std::int64_t i) {
  return rows.integers()->words[k][i].item<std::int64_t>();
}

TEST(WordRows, RoundTheBitsOfValuesToNearest) {
  const Weights weights{3, 0, 1, 60};
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor dense = test::normal({4, 301}, type);
    for (const auto& [exponent, bits] :
         std::vector<std::pair<int, int>>{{-1, 9}, {8, 18}, {22, 32}, {30, 40}, {54, 64}}) {
      const Rows words = Rows(dense).words({.exponent = exponent, .bits = bits}, weights);
      EXPECT_EQ(words.integers()->words.scalar_type(), bits <= 32 ? at::kInt : at::kLong);
      for (std::int64_t k = 0; k < 4; ++k) {
        for (std::int64_t i = 0; i < 301; ++i) {
          const __int128 q = test::rounded(dense[k][i].item<double>(), exponent);
          ASSERT_EQ(word(words, k, i), static_cast<std::int64_t>(q * weights[k])) << bits << ' ' << k << ' ' << i;
        }
      }
    }
  }
}

TEST(WordRows, TakeHalvesToEven) {
  const Rows words = Rows(at::tensor({0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F})).words({.bits = 8}, Weights{1});
  EXPECT_TRUE(at::equal(words.dense(), at::tensor({0.0, 2.0, 2.0, 0.0, -2.0, -2.0}, at::kDouble).unsqueeze(0)));
}

TEST(WordRows, RefuseWhatDoesNotFit) {
  const Rows rows(at::tensor({127.4F, 0.0F, 127.5F, 0.0F, NAN, 0.0F}).view({3, 2}));
  const WordFormat format{.bits = 8};
  EXPECT_EQ(word(rows.words(format, Weights{1, 0, 0}), 0, 0), 127);
  EXPECT_EQ(word(rows.words(format, Weights{-1, 0, 0}), 0, 0), -127);
  for (const Weights& weights : {Weights{2, 0, 0}, Weights{0, 1, 0}, Weights{0, 0, 1}}) {
    EXPECT_THROW(rows.words(format, weights), std::overflow_error);
  }
  EXPECT_THROW(rows.words({.bits = 1}, Weights{0, 0, 0}), BrokenInvariant);
  EXPECT_THROW(rows.words({.bits = 65}, Weights{0, 0, 0}), BrokenInvariant);
}

// The draw for coordinate i is word i of the participation's random stream, whatever else is in the block.
TEST(WordRows, RoundByTheDrawsOfEachClient) {
  const WordFormat format{.exponent = 3, .bits = 40, .rounding = Rounding::stochastic};
  const at::Tensor dense = test::normal({3, 1500}, at::kDouble);
  const std::vector<Participation> block = block_of(3);
  const Weights weights{1, 7, 1};
  const Rows words = Rows(dense).words(format, weights, key, block);
  for (std::int64_t k = 0; k < 3; ++k) {
    RandomStream random(key, value(block[k].client), value(block[k].id));
    for (std::int64_t i = 0; i < 1500; ++i) {
      const double scaled = 8 * dense[k][i].item<double>();
      const double up = random.bits() * 0x1p-32 < scaled - std::floor(scaled) ? 1 : 0;
      ASSERT_EQ(word(words, k, i), weights[k] * static_cast<std::int64_t>(std::floor(scaled) + up)) << i;
    }
    const Rows alone =
        Rows(dense[k]).words(format, std::span(weights).subspan(k, 1), key, std::span(block).subspan(k, 1));
    EXPECT_TRUE(at::equal(alone.integers()->words[0], words.integers()->words[k]));
  }
}

// The number of values that are rounded up is binomial; six standard deviations, fixed seed.
TEST(WordRows, AreUnbiasedWhenRoundedAtRandom) {
  const std::int64_t clients = 4000, width = 33;
  const at::Tensor row = at::linspace(-3, 5, width, at::kDouble);
  const Rows rows(row.expand({clients, width}).contiguous());
  const WordFormat format{.bits = 8, .rounding = Rounding::stochastic};
  const Rows words = rows.words(format, Weights(clients, 1), key, block_of(clients));
  const at::Tensor sums = words.dense().sum(0);
  for (std::int64_t i = 0; i < width; ++i) {
    const double x = row[i].item<double>(), fraction = x - std::floor(x);
    EXPECT_NEAR(sums[i].item<double>(), clients * x, 6 * std::sqrt(clients * fraction * (1 - fraction)) + 1e-9) << i;
  }
}

// The value for 2^20 coordinates is computed from the paper's formula.
TEST(WordRows, BoundTheNormOfRoundedRows) {
  EXPECT_NEAR(rounded_norm_bound(1000, 1 << 20), 1124.1245482596669, 1e-9);
  EXPECT_EQ(rounded_norm_bound(0, 1), std::sqrt(0.75));
  EXPECT_NEAR(rounded_norm_bound(0.1, 1), std::sqrt(0.86), 1e-12);  // 0.01 + 0.25 + 0.1 + 0.5
}

// 16 values of 1/2 have the norm 2, so at most 12 of them may be rounded up: binomial, cut above 12.
TEST(WordRows, StayWithinTheNormIfConditional) {
  const std::int64_t clients = 4000;
  const Rows rows(at::full({clients, 16}, 0.25));
  WordFormat format{.exponent = 1, .bits = 8, .rounding = Rounding::conditional, .norm = 1};
  EXPECT_NEAR(rounded_norm_bound(2, 16), std::sqrt(12.0), 1e-12);
  const at::Tensor ups = rows.words(format, Weights(clients, 3), key, block_of(clients)).dense().sum(1) * 2 / 3;
  EXPECT_EQ(ups.max().item<double>(), 12);
  double total = 0, mean = 0, square = 0, chance = std::ldexp(1.0, -16);
  for (int n = 0; n <= 12; chance = chance * (16 - n) / (n + 1), ++n) {
    total += chance;
    mean += chance * n;
    square += chance * n * n;
  }
  mean /= total;
  const double deviation = std::sqrt(square / total - mean * mean);
  EXPECT_NEAR(ups.mean().item<double>(), mean, 6 * deviation / std::sqrt(clients));
  format.rounding = Rounding::stochastic;
  EXPECT_GT(rows.words(format, Weights(clients, 1), key, block_of(clients)).dense().sum(1).max().item<double>() * 2,
            12);
}

TEST(WordRows, RefuseRowsBeyondTheNorm) {
  const WordFormat format{.bits = 16, .rounding = Rounding::conditional, .norm = 1};
  const Rows rows(at::full({1, 16}, 100.5));
  EXPECT_THROW(rows.words(format, Weights{1}, key, block_of(1)), std::overflow_error);
  EXPECT_THROW(rows.words({.bits = 16, .rounding = Rounding::conditional}, Weights{1}, key, block_of(1)),
               BrokenInvariant);
  EXPECT_THROW(rows.words(format, Weights{1}, key, block_of(2)), BrokenInvariant);
}

TEST(WordRows, AddTheirIntegers) {
  const at::Tensor dense = test::normal({5, 77});
  const Weights weights{4, 1, 0, 9, 2};
  for (const int bits : {32, 64}) {
    const Rows words = Rows(dense).words({.exponent = 20, .bits = bits}, weights);
    EXPECT_EQ(test::sum_of(words, Weights(5, 1), 20), test::exact_sum(dense, weights, 20));
    Weights finer = test::sum_of(words, Weights(5, 1), 23);
    for (std::int64_t& sum : finer) sum /= 8;
    EXPECT_EQ(finer, test::exact_sum(dense, weights, 20));
    EXPECT_EQ(test::sum_of(words, std::vector<double>{0.5, 1, 1, 0, 0}, 21),
              test::exact_sum(words.dense(), {1, 2, 0, 0, 0}, 20));
    EXPECT_THROW(test::sum_of(words, Weights(5, 1), 19), BrokenInvariant);
    EXPECT_THROW(test::sum_of(words, Weights(5, 1), 62), std::overflow_error);
  }
}

TEST(WordRows, TakeTheirWeightsLater) {
  const at::Tensor dense = test::normal({3, 40});
  const Weights weights{4, 0, 5}, ones(3, 1);
  const WordFormat narrow{.exponent = 10, .bits = 16}, wide{.exponent = 10, .bits = 40};
  const Rows words = Rows(dense).words(narrow, ones).words(wide, weights);
  EXPECT_TRUE(at::equal(words.integers()->words, Rows(dense).words(wide, weights).integers()->words));
  EXPECT_THROW(words.words({.exponent = 10, .bits = 12}, ones), std::overflow_error);
  EXPECT_THROW(words.words({.exponent = 11, .bits = 40}, ones), BrokenInvariant);
}

TEST(WordRows, AreMeasuredLikeTheirDenseForm) {
  Rows words = WordRows{at::tensor({-128, 5, 127, 0}, at::kInt).view({2, 2}), 8, 3};
  EXPECT_EQ(words.type(), at::kDouble);
  EXPECT_TRUE(at::equal(words.dense(), at::tensor({-16.0, 0.625, 15.875, 0.0}, at::kDouble).view({2, 2})));
  EXPECT_EQ(words.bounds(), (std::vector<double>{16, 15.875}));
  EXPECT_EQ(words.norms(), Rows(words.dense()).norms());
  words.scale(std::vector<double>{1, 1});
  EXPECT_THROW(words.scale(std::vector<double>{1, 2}), BrokenInvariant);
}

TEST(WordRows, RefuseWordsOfMoreBits) {
  EXPECT_THROW(Rows(WordRows{at::tensor({{128}}, at::kInt), 8, 0}), BrokenInvariant);
  EXPECT_THROW(Rows(WordRows{at::tensor({{-129}}, at::kInt), 8, 0}), BrokenInvariant);
  EXPECT_THROW(Rows(WordRows{at::tensor({{1}}, at::kLong), 8, 0}), BrokenInvariant);
  EXPECT_THROW(Rows(WordRows{at::tensor({{1}}, at::kLong), 65, 0}), BrokenInvariant);
}

TEST(WordRows, ComeFromSparseAndFactoredRows) {
  const WordFormat format{.exponent = 12, .bits = 32};
  for (const Rows& rows : {Rows(test::sparse_at({{0, 3}, {}, {1, 2, 9}}, 10)), Rows(test::factored())}) {
    const Weights weights{2, 1, 3};
    EXPECT_TRUE(at::equal(rows.words(format, weights).integers()->words,
                          Rows(rows.dense()).words(format, weights).integers()->words));
  }
}

}  // namespace
}  // namespace shoal
