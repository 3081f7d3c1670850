// Sparse rows against their dense form.
#include "sim/nn/sparse_rows.hpp"

#include <gtest/gtest.h>

#include "kernels/sparsify.hpp"
#include "sim/error.hpp"
#include "tests/sim/nn/rows_of.hpp"

namespace shoal {
namespace {

using test::sum_of;

const std::vector<std::vector<std::int32_t>> equal_rows{{0, 3, 9}, {1, 2, 3}, {7, 8, 9}};
const std::vector<std::vector<std::int32_t>> unequal_rows{{0, 3, 9}, {}, {7}};

TEST(SparseRows, AreZeroElsewhere) {
  const SparseRows rows = test::sparse_at(unequal_rows, 10);
  at::Tensor expected = at::zeros({3, 10});
  expected[0][0] = rows.values[0];
  expected[0][3] = rows.values[1];
  expected[0][9] = rows.values[2];
  expected[2][7] = rows.values[3];
  EXPECT_TRUE(at::equal(Rows(rows).dense(), expected));
}

TEST(SparseRows, GiveTheSumOfTheirDenseForm) {
  for (const auto& positions : {equal_rows, unequal_rows}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const Rows rows = test::sparse_at(positions, 10, type);
      for (const int exponent : {-1, 20, 45, 52}) {
        const std::vector<std::int64_t> weights{3, 64, 5};
        EXPECT_EQ(sum_of(rows, weights, exponent), sum_of(Rows(rows.dense()), weights, exponent));
        EXPECT_EQ(sum_of(rows, weights, exponent), test::exact_sum(rows.dense(), weights, exponent));
        const std::vector<double> reals{0.3, 1.1, 0.7};
        EXPECT_EQ(sum_of(rows, reals, exponent), sum_of(Rows(rows.dense()), reals, exponent));
      }
    }
  }
}

TEST(SparseRows, AreMeasuredLikeTheirDenseForm) {
  for (const auto& positions : {equal_rows, unequal_rows}) {
    const Rows rows = test::sparse_at(positions, 10), dense(rows.dense());
    EXPECT_EQ(rows.bounds(), dense.bounds());
    for (std::int64_t k = 0; k < 3; ++k) EXPECT_NEAR(rows.norms()[k], dense.norms()[k], 1e-12);
  }
}

TEST(SparseRows, AreScaledLikeTheirDenseForm) {
  for (const auto& positions : {equal_rows, unequal_rows}) {
    Rows rows = test::sparse_at(positions, 10), dense(rows.dense());
    const std::vector<double> factors{0.3, 1, -2.5};
    rows.scale(factors);
    dense.scale(factors);
    EXPECT_TRUE(at::equal(rows.dense(), dense.dense()));
  }
}

TEST(SparseRows, ShowWhatIsNotFinite) {
  SparseRows rows = test::sparse_at(unequal_rows, 10);
  rows.values[1] = NAN;
  rows.values[3] = -INFINITY;
  const std::vector<double> bounds = Rows(rows).bounds();
  EXPECT_FALSE(std::isfinite(bounds[0]));
  EXPECT_EQ(bounds[1], 0);
  EXPECT_FALSE(std::isfinite(bounds[2]));
  EXPECT_EQ(sum_of(Rows(rows), std::vector<std::int64_t>{0, 1, 0}, 4), std::vector<std::int64_t>(10));
  EXPECT_EQ(sum_of(Rows(rows), std::vector<double>{0, 1, 0}, 4), std::vector<std::int64_t>(10));
  EXPECT_THROW(sum_of(Rows(rows), std::vector<std::int64_t>{1, 1, 0}, 4), std::overflow_error);
}

TEST(SparseRows, AreFilledByTopK) {
  const at::Tensor dense = test::normal({4, 50});
  const SparseRows top = SparseRows::with_room(4, 7, 50, dense.options());
  for (std::int64_t k = 0; k < 4; ++k) {
    const std::span row(dense.const_data_ptr<float>() + 50 * k, 50);
    top_k(row, top.positions_of(k));
    gather(row, top.positions_of(k), top.values_of<float>(k));
  }
  const at::Tensor threshold = std::get<0>(dense.abs().topk(7, 1)).narrow(1, 6, 1);
  EXPECT_TRUE(at::equal(Rows(top).dense(), at::where(dense.abs() >= threshold, dense, at::zeros_like(dense))));
}

TEST(SparseRows, ShareTheirStoredValues) {
  const Rows rows = test::sparse_at(unequal_rows, 10), kept = rows.kept();
  rows.stored(0).fill_(5);
  EXPECT_EQ(rows.dense()[0].sum().item<double>(), 15);
  EXPECT_NE(kept.dense()[0].sum().item<double>(), 15);
  EXPECT_EQ(rows.stored(1).numel(), 0);
}

TEST(SparseRows, RefusePositionsOutOfOrder) {
  for (const std::vector<std::int32_t>& bad : std::vector<std::vector<std::int32_t>>{{3, 1}, {2, 2}, {10}, {-1}}) {
    EXPECT_THROW(Rows(test::sparse_at({bad}, 10)), BrokenInvariant);
  }
  SparseRows rows = test::sparse_at(equal_rows, 10);
  rows.starts.back() = 8;
  EXPECT_THROW(Rows{rows}, BrokenInvariant);
}

}  // namespace
}  // namespace shoal
