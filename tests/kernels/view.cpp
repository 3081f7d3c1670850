// Do row views address the right memory and refuse impossible shapes?
#include "kernels/view.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <vector>

namespace {

using shoal::RowView;

TEST(RowView, RowsAreStrideApart) {
  std::vector<float> values(10);
  std::iota(values.begin(), values.end(), 0.0f);
  const RowView<float> rows(values.data(), 2, 3, 5);
  EXPECT_EQ(rows.row(1)[0], 5.0f);
  EXPECT_EQ(rows.row(1).size(), 3u);
  rows.at(1)[2] = -1.0f;
  EXPECT_EQ(values[7], -1.0f);
}

TEST(RowView, MutableConvertsToConst) {
  std::vector<double> values = {1, 2, 3, 4};
  const RowView<const double> rows = RowView<double>(values.data(), 2, 2);
  EXPECT_EQ(rows.stride(), 2);
  EXPECT_EQ(rows.row(1)[1], 4.0);
}

TEST(RowView, OneRowHoldsTheWholeSpan) {
  std::vector<float> values = {1, 2, 3};
  const auto rows = shoal::one_row(std::span(values));
  EXPECT_EQ(rows.rows(), 1);
  EXPECT_EQ(rows.row(0)[2], 3.0f);
}

TEST(RowView, StrideZeroRepeatsOneRow) {
  std::vector<float> values = {1, 2};
  const RowView<const float> rows(values.data(), 3, 2, 0);
  EXPECT_EQ(rows.at(2), values.data());
}

TEST(RowView, RefusesImpossibleShapes) {
  float value = 0;
  EXPECT_THROW(RowView<float>(&value, -1, 1), std::invalid_argument);
  EXPECT_THROW(RowView<float>(&value, 1, -1), std::invalid_argument);
  EXPECT_THROW(RowView<float>(&value, 2, 3, 2), std::invalid_argument);
}

TEST(RequireSize, NamesTheArrayAndBothSizes) {
  shoal::require_size("sum", 3, 3);
  try {
    shoal::require_size("sum", 3, 4);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "sum of 3 values (expected 4)");
  }
}

}  // namespace
