// Clients' rows: norms, scaling, extremes and exact sums.
#include "sim/nn/rows.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <cmath>

#include "sim/error.hpp"

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
}

TEST(Rows, WorkInBothTypes) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const Rows rows(at::tensor({3.0, -4.0, 0.5, 0.25}, type).view({2, 2}));
    EXPECT_EQ(rows.type(), type);
    EXPECT_EQ(rows.largest(), (std::vector<double>{4, 0.5}));
    EXPECT_EQ(rows.norms()[0], 5);
    std::vector<std::int64_t> sum{1, 1};
    rows.add_to(sum, 1, 3, 4);
    EXPECT_EQ(sum, (std::vector<std::int64_t>{1 + 3 * 8, 1 + 3 * 4}));
  }
}

TEST(Rows, ShowWhatIsNotFinite) {
  const Rows rows(at::tensor({1.0F, NAN, 2.0F, INFINITY}).view({2, 2}));
  for (const double largest : rows.largest()) EXPECT_FALSE(std::isfinite(largest));
}

TEST(Rows, RefuseOtherTypesAndShapes) {
  EXPECT_THROW(Rows(at::zeros({2, 2}, at::kLong)), BrokenInvariant);
  EXPECT_THROW(Rows(at::zeros({2, 2, 2})), BrokenInvariant);
}

}  // namespace
}  // namespace shoal
