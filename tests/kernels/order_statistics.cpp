// Is the median right by hand, for every number of rows and columns, with ties, infinities and signed zeros, and
// independent of the order of the rows, to the bit?
#include "kernels/order_statistics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

template <class T>
using Matrix = std::vector<std::vector<T>>;

template <class T>
std::vector<T> medians_of(const Matrix<T>& rows) {
  std::vector<const T*> starts;
  for (const auto& row : rows) starts.push_back(row.data());
  std::vector<T> out(rows.front().size());
  shoal::medians<T>(starts, out);
  return out;
}

template <class T>
T by_sorting(std::vector<T> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  if (n % 2 == 1) return values[n / 2];
  const long double lower = values[n / 2 - 1], upper = values[n / 2];
  return (lower + upper) / 2;
}

template <class T>
class OrderStatistics : public testing::Test {
 protected:
  static constexpr T infinity = std::numeric_limits<T>::infinity();
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(OrderStatistics, Reals);

TYPED_TEST(OrderStatistics, MediansByHand) {
  using T = TypeParam;
  EXPECT_EQ(medians_of<T>({{3, -1}}), (std::vector<T>{3, -1}));
  EXPECT_EQ(medians_of<T>({{3, -1}, {4, 1}}), (std::vector<T>{3.5, 0}));
  EXPECT_EQ(medians_of<T>({{3, 0}, {9, 7}, {4, 7}}), (std::vector<T>{4, 7}));
  EXPECT_EQ(medians_of<T>({{1}, {100}, {2}, {3}}), (std::vector<T>{2.5}));
}

TYPED_TEST(OrderStatistics, MediansEqualThoseOfSortedValues) {
  using T = TypeParam;
  std::mt19937 random(1);
  for (const std::size_t n :
       {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 100, 255, 256, 1000, 2047, 2048, 2049, 4096}) {
    for (const std::size_t columns : {1, 63, 64, 65, 200}) {
      if (n > 300 && columns > 65) continue;
      Matrix<T> rows(n, std::vector<T>(columns));
      for (auto& row : rows) {
        // Few different values: most middles are ties.
        for (T& value : row) {
          const int drawn = random() % 41;
          value = (drawn - 20) / 8.0;
        }
      }
      const std::vector<T> found = medians_of(rows);
      for (std::size_t j = 0; j < columns; ++j) {
        std::vector<T> column;
        for (const auto& row : rows) column.push_back(row[j]);
        ASSERT_EQ(found[j], by_sorting(column)) << n << " rows, column " << j;
      }
    }
  }
}

TYPED_TEST(OrderStatistics, OrderOfRowsDoesNotChangeTheBits) {
  using T = TypeParam;
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  for (const std::size_t n : {6, 7, 130, 2100}) {
    Matrix<T> rows(n, std::vector<T>(70));
    for (auto& row : rows) {
      for (T& value : row) value = normal(random);
      row[0] = random() % 2 == 0 ? T(0) : -T(0);
    }
    const std::vector<T> first = medians_of(rows);
    EXPECT_FALSE(std::signbit(first[0]));
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::ranges::shuffle(rows, random);
      const std::vector<T> again = medians_of(rows);
      for (std::size_t j = 0; j < first.size(); ++j) {
        EXPECT_EQ(first[j], again[j]);
        EXPECT_EQ(std::signbit(first[j]), std::signbit(again[j]));
      }
    }
  }
}

TYPED_TEST(OrderStatistics, TreatsInfinitiesAsExtremes) {
  using T = TypeParam;
  const T inf = TestFixture::infinity;
  EXPECT_EQ(medians_of<T>({{inf, inf, -inf}, {-inf, inf, -inf}, {5, 1, 0}}), (std::vector<T>{5, inf, -inf}));
  EXPECT_EQ(medians_of<T>({{inf}, {inf}, {1}, {2}}), (std::vector<T>{inf}));
  EXPECT_TRUE(std::isnan(medians_of<T>({{inf}, {-inf}})[0]));
}

TYPED_TEST(OrderStatistics, MiddleOfLargeValuesDoesNotOverflow) {
  using T = TypeParam;
  const T large = std::numeric_limits<T>::max();
  EXPECT_EQ(medians_of<T>({{large}, {large}}), (std::vector<T>{large}));
}

TYPED_TEST(OrderStatistics, RefusesNoRows) {
  std::vector<TypeParam> out(3);
  EXPECT_THROW(shoal::medians<TypeParam>({}, out), std::invalid_argument);
}

// X[i][j] = ((37 i + 61 j + 11 i^2 j) mod 101) / 8 - 6, rows 8 to 10 plus 4: exact in float. Expected values by byzfl.
TYPED_TEST(OrderStatistics, AgreesWithByzflOnElevenRows) {
  using T = TypeParam;
  Matrix<T> rows(11, std::vector<T>(5));
  for (int i = 0; i < 11; ++i) {
    for (int j = 0; j < 5; ++j) {
      rows[i][j] = (37 * i + 61 * j + 11 * i * i * j) % 101 / 8.0 - 6 + (i >= 8 ? 4 : 0);
    }
  }
  EXPECT_EQ(rows[1], (std::vector<T>{-1.375, -5, 4, 0.375, -3.25}));
  EXPECT_EQ(medians_of(rows), (std::vector<T>{1.125, 2.625, -0.375, 4.25, -0.75}));
}

}  // namespace
