// Clients' dense rows: norms, scaling, bounds and exact sums.
#include "sim/nn/rows.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "sim/error.hpp"
#include "tests/sim/nn/rows_of.hpp"

namespace shoal {
namespace {

TEST(Rows, OneVectorIsOneRow) {
  const Rows rows(at::tensor({3.0F, -4.0F}));
  EXPECT_EQ(rows.count(), 1);
  EXPECT_EQ(rows.width(), 2);
  EXPECT_EQ(rows.norms(), std::vector<double>{5});
}

TEST(Rows, SharesAContiguousTensorAndCopiesOthers) {
  const at::Tensor dense = at::ones({2, 3});
  Rows shared(dense), copy(dense.t());
  copy.scale(std::vector<double>{3, 3, 3});
  EXPECT_EQ(dense.sum().item<double>(), 6);
  shared.scale(std::vector<double>{2, 1});
  EXPECT_EQ(dense.sum().item<double>(), 9);
  Rows kept = shared.kept();
  kept.scale(std::vector<double>{0, 0});
  EXPECT_EQ(dense.sum().item<double>(), 9);
  EXPECT_EQ(kept.dense().sum().item<double>(), 0);
}

TEST(Rows, WorkInBothTypes) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const Rows rows(at::tensor({3.0, -4.0, 0.5, 0.25}, type).view({2, 2}));
    EXPECT_EQ(rows.type(), type);
    EXPECT_EQ(rows.bounds(), (std::vector<double>{4, 0.5}));
    EXPECT_EQ(rows.norms()[0], 5);
    std::vector<std::int64_t> sum{1, 1};
    rows.add_to(test::view(sum), std::vector<std::int64_t>{0, 3}, 4);
    EXPECT_EQ(sum, (std::vector<std::int64_t>{1 + 3 * 8, 1 + 3 * 4}));
  }
}

TEST(Rows, ShowWhatIsNotFinite) {
  const Rows rows(at::tensor({1.0F, NAN, 2.0F, INFINITY}).view({2, 2}));
  for (const double bound : rows.bounds()) EXPECT_FALSE(std::isfinite(bound));
}

// The oracle rounds the bits of each value in integers. Exponent 20 sums in doubles, 45 in halves, 52 in integers.
TEST(Rows, SumAsIntegersDo) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor dense = test::normal({11, 1037}, type);
    const std::vector<std::int64_t> weights{3, 0, 1, 600, 7, 7, 1, 0, 64, 5, 9};
    for (const int exponent : {-3, 20, 45, 50}) {
      EXPECT_EQ(test::sum_of(dense, weights, exponent), test::exact_sum(dense, weights, exponent));
    }
  }
}

TEST(Rows, GiveTheSameSumRowByRow) {
  const at::Tensor dense = test::normal({9, 1037});
  const std::vector<std::int64_t> weights{3, 0, 1, 600, 7, 7, 1, 0, 64};
  std::vector<std::int64_t> one_by_one(1037);
  for (std::int64_t k = 0; k < 9; ++k) {
    Rows(dense[k]).add_to(test::view(one_by_one), std::span(weights).subspan(k, 1), 40);
  }
  EXPECT_EQ(test::sum_of(dense, weights, 40), one_by_one);
}

TEST(Rows, RoundAfterARealWeight) {
  const at::Tensor dense = test::normal({2, 100});
  const at::Tensor products = dense.to(at::kDouble) * at::tensor({0.1, 1.7}, at::kDouble).unsqueeze(1);
  EXPECT_EQ(test::sum_of(dense, std::vector<double>{0.1, 1.7}, 30), test::exact_sum(products, {1, 1}, 30));
}

TEST(Rows, SkipRowsOfWeightZero) {
  const Rows rows(at::tensor({1.0F, NAN, 2.0F, 3.0F}).view({2, 2}));
  EXPECT_EQ(test::sum_of(rows, std::vector<std::int64_t>{0, 2}, 1), (std::vector<std::int64_t>{8, 12}));
  EXPECT_EQ(test::sum_of(rows, std::vector<double>{0, 0.5}, 1), (std::vector<std::int64_t>{2, 3}));
  EXPECT_THROW(test::sum_of(rows, std::vector<std::int64_t>{1, 2}, 1), std::overflow_error);
}

TEST(Rows, RefuseOtherTypesAndShapes) {
  EXPECT_THROW(Rows(at::zeros({2, 2}, at::kLong)), BrokenInvariant);
  EXPECT_THROW(Rows(at::zeros({2, 2, 2})), BrokenInvariant);
}

TEST(Rows, RefuseSumsOfOtherSizes) {
  const Rows rows(at::zeros({2, 3}));
  std::vector<std::int64_t> sum(3), wide(4);
  EXPECT_THROW(rows.add_to(test::view(wide), std::vector<std::int64_t>{1, 1}, 0), BrokenInvariant);
  EXPECT_THROW(rows.add_to(test::view(sum), std::vector<std::int64_t>{1}, 0), BrokenInvariant);
  EXPECT_THROW(rows.add_weighted(test::view(sum), std::vector<double>{1}, 0), BrokenInvariant);
}

TEST(Rows, OfTheDenseFormAreSmall) { EXPECT_LE(sizeof(Rows), 3 * sizeof(void*)); }

TEST(Rows, ShareTheirStoredValues) {
  const Rows rows(at::zeros({2, 3}));
  rows.stored(1).fill_(2);
  EXPECT_TRUE(at::equal(rows.dense(), at::tensor({0.0F, 0.0F, 0.0F, 2.0F, 2.0F, 2.0F}).view({2, 3})));
  EXPECT_EQ(rows.sparse(), nullptr);
  EXPECT_EQ(rows.factored(), nullptr);
  EXPECT_EQ(rows.integers(), nullptr);
}

}  // namespace
}  // namespace shoal
