// Are trimmed means and means around the median those of sorted columns, summed exactly, whatever the order of the
// rows, the cut of the coordinates, ties, attacks and infinities?
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "kernels/order_statistics.hpp"

namespace {

template <class T>
using Matrix = std::vector<std::vector<T>>;

template <class T>
std::vector<const T*> starts(const Matrix<T>& rows, std::size_t first = 0) {
  std::vector<const T*> result;
  for (const auto& row : rows) result.push_back(row.data() + first);
  return result;
}

template <class T>
std::vector<T> trimmed(const Matrix<T>& rows, std::int64_t dropped) {
  std::vector<T> out(rows.front().size());
  shoal::trimmed_means<T>(starts(rows), dropped, out);
  return out;
}

template <class T>
std::vector<T> around(const Matrix<T>& rows, std::int64_t dropped) {
  std::vector<T> out(rows.front().size());
  shoal::means_around_median<T>(starts(rows), dropped, out);
  return out;
}

template <class T>
std::vector<T> sorted_column(const Matrix<T>& rows, std::size_t j) {
  std::vector<T> column;
  for (const auto& row : rows) column.push_back(row[j]);
  std::ranges::sort(column);
  return column;
}

// Sums in long double in sorted order: its 64 bits exceed the precision that the kernels promise.
template <class T>
long double mean(typename std::vector<T>::iterator first, typename std::vector<T>::iterator last) {
  long double sum = 0;
  const long double count = last - first;
  for (; first != last; ++first) sum += *first;
  return sum / count;
}

template <class T>
T median(const std::vector<T>& sorted) {
  const std::size_t n = sorted.size();
  const long double lower = sorted[(n - 1) / 2], upper = sorted[n / 2];
  return (lower + upper) / 2;
}

// The definition: drops one value at a time, from the end that is farther from the median; of two equally far ends the
// upper one.
template <class T>
long double around_by_dropping(std::vector<T> sorted, std::int64_t dropped) {
  const T centre = median(sorted);
  auto first = sorted.begin(), last = sorted.end();
  for (std::int64_t i = 0; i < dropped; ++i) {
    const T below = centre - *first, above = *(last - 1) - centre;
    if (below > above)
      ++first;
    else
      --last;
  }
  return mean<T>(first, last);
}

enum class Kind { normal, ties, attacked, wide };

template <class T>
Matrix<T> random_rows(std::size_t n, std::size_t d, Kind kind, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Matrix<T> rows(n, std::vector<T>(d));
  for (std::size_t i = 0; i < n; ++i) {
    for (T& value : rows[i]) {
      const double x = normal(random);
      value = x;
      if (kind == Kind::ties) value = std::round(2 * x) / 8;
      if (kind == Kind::attacked && i % 7 == 3) value = 1e12 * x;
      if (kind == Kind::wide) value = std::copysign(std::exp(12 * x), x);
    }
  }
  return rows;
}

template <class T>
class WindowMeans : public testing::Test {
 protected:
  // Rounding of the result to T, and of every value to the unit: 2^-49 n of the largest for float, far less for double.
  static void expect_mean(T found, long double expected, const std::vector<T>& sorted) {
    long double largest = 0;
    for (const long double x : sorted) largest = std::max(largest, std::abs(x));
    const long double unit = std::is_same_v<T, float> ? 0x1p-49L * sorted.size() : 0x1p-60L;
    EXPECT_NEAR(found - expected, 0, std::abs(expected) * std::numeric_limits<T>::epsilon() + largest * unit)
        << sorted.size() << " rows";
  }
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(WindowMeans, Reals);

TYPED_TEST(WindowMeans, ByHand) {
  using T = TypeParam;
  EXPECT_EQ(trimmed<T>({{1, 7}, {100, 9}, {3, -50}}, 1), (std::vector<T>{3, 7}));
  EXPECT_EQ(trimmed<T>({{1}, {2}, {6}}, 0), (std::vector<T>{3}));
  EXPECT_EQ(trimmed<T>({{4}}, 0), (std::vector<T>{4}));
  EXPECT_EQ(trimmed<T>({{2}, {2}, {2}, {9}, {-9}}, 1), (std::vector<T>{2}));
  EXPECT_EQ(around<T>({{1}, {2}, {9}}, 1), (std::vector<T>{1.5}));                // 9 is farther from 2
  EXPECT_EQ(around<T>({{1}, {2}, {3}}, 1), (std::vector<T>{1.5}));                // 1 and 3 are equally far: drops 3
  EXPECT_EQ(around<T>({{0}, {4}, {5}, {7}, {8}}, 2), (std::vector<T>{16. / 3}));  // 0, then 8
}

TYPED_TEST(WindowMeans, EqualThoseOfSortedColumns) {
  using T = TypeParam;
  for (const std::size_t n : {1, 2, 3, 4, 5, 8, 31, 64, 65, 100, 127, 128, 129, 257, 1000, 4096}) {
    for (const Kind kind : {Kind::normal, Kind::ties, Kind::attacked, Kind::wide}) {
      const auto rows = random_rows<T>(n, n > 500 ? 9 : 67, kind, n);
      for (const std::size_t dropped : {std::size_t{0}, n / 10, n / 4, (n - 1) / 2}) {
        const auto means = trimmed(rows, dropped);
        const auto near = around(rows, dropped);
        for (std::size_t j = 0; j < means.size(); ++j) {
          auto sorted = sorted_column(rows, j);
          const std::ptrdiff_t cut = dropped;
          this->expect_mean(means[j], mean<T>(sorted.begin() + cut, sorted.end() - cut), sorted);
          this->expect_mean(near[j], around_by_dropping(sorted, cut), sorted);
        }
      }
    }
  }
}

TYPED_TEST(WindowMeans, OrderOfRowsDoesNotChangeTheBits) {
  using T = TypeParam;
  std::mt19937 random(5);
  for (const std::size_t n : {7, 100, 200, 1000}) {
    auto rows = random_rows<T>(n, 30, Kind::wide, 9);
    const auto first = trimmed(rows, 2), near = around(rows, 3);
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::ranges::shuffle(rows, random);
      EXPECT_EQ(trimmed(rows, 2), first);
      EXPECT_EQ(around(rows, 3), near);
    }
  }
}

TYPED_TEST(WindowMeans, RangesGiveTheBitsOfTheWhole) {
  using T = TypeParam;
  constexpr std::size_t d = 257;
  for (const std::size_t n : {5, 100, 150}) {
    const auto rows = random_rows<T>(n, d, Kind::normal, 3);
    const auto whole = trimmed(rows, 1), near = around(rows, 1);
    std::vector<T> middles(d);
    shoal::medians<T>(starts(rows), middles);
    for (const std::size_t cut : {1, 31, 100, 256}) {
      for (const auto& [first, last] : {std::pair{std::size_t{0}, cut}, std::pair{cut, d}}) {
        std::vector<T> out(last - first);
        const auto expect_part_of = [&, from = first](const std::vector<T>& all) {
          for (std::size_t j = 0; j < out.size(); ++j) EXPECT_EQ(out[j], all[from + j]);
        };
        shoal::trimmed_means<T>(starts(rows, first), 1, out);
        expect_part_of(whole);
        shoal::means_around_median<T>(starts(rows, first), 1, out);
        expect_part_of(near);
        shoal::medians<T>(starts(rows, first), out);
        expect_part_of(middles);
      }
    }
  }
}

TYPED_TEST(WindowMeans, CancellationIsExact) {
  using T = TypeParam;
  const T large = std::is_same_v<T, float> ? T(0x1p27) : T(0x1p60);
  EXPECT_EQ(trimmed<T>({{large}, {1}, {-large}, {2}}, 0), (std::vector<T>{0.75}));
}

TYPED_TEST(WindowMeans, TheLargestValuesDoNotOverflow) {
  using T = TypeParam;
  const T large = std::numeric_limits<T>::max(), tiny = std::numeric_limits<T>::denorm_min();
  EXPECT_EQ(trimmed<T>({{large}, {large}, {large}}, 0), (std::vector<T>{large}));
  EXPECT_EQ(trimmed<T>({{large}, {large}, {-large}, {-large}}, 0), (std::vector<T>{0}));
  EXPECT_EQ(trimmed<T>({{tiny}, {tiny}, {tiny}, {tiny}}, 1), (std::vector<T>{tiny}));
}

TYPED_TEST(WindowMeans, InfinitiesAreDroppedOrWin) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  EXPECT_EQ(trimmed<T>({{inf}, {1}, {-inf}, {2}, {6}}, 1), (std::vector<T>{3}));
  EXPECT_EQ(trimmed<T>({{inf}, {1}, {inf}, {2}, {6}}, 1), (std::vector<T>{inf}));
  EXPECT_TRUE(std::isnan(trimmed<T>({{inf}, {1}, {-inf}}, 0)[0]));
  EXPECT_EQ(around<T>({{inf}, {1}, {inf}, {2}, {6}}, 2), (std::vector<T>{3}));
  EXPECT_EQ(around<T>({{-inf}, {-inf}, {1}}, 1), (std::vector<T>{-inf}));
}

TYPED_TEST(WindowMeans, NanDoesNotAffectOtherColumns) {
  using T = TypeParam;
  for (const std::size_t n : {9, 200}) {
    auto rows = random_rows<T>(n, 8, Kind::normal, 4);
    const auto means = trimmed(rows, 2), near = around(rows, 2);
    for (auto& row : rows) row[3] = std::numeric_limits<T>::quiet_NaN();
    const auto with_nan = trimmed(rows, 2), near_with_nan = around(rows, 2);
    for (const std::size_t j : {0, 1, 2, 4, 5, 6, 7}) {
      EXPECT_EQ(with_nan[j], means[j]);
      EXPECT_EQ(near_with_nan[j], near[j]);
    }
  }
}

TYPED_TEST(WindowMeans, RefusesToDropAll) {
  std::vector<TypeParam> out;
  const std::vector<const TypeParam*> rows(4, nullptr);
  EXPECT_THROW(shoal::trimmed_means<TypeParam>(rows, 2, out), std::invalid_argument);
  EXPECT_THROW(shoal::trimmed_means<TypeParam>(rows, -1, out), std::invalid_argument);
  EXPECT_THROW(shoal::means_around_median<TypeParam>(rows, 2, out), std::invalid_argument);
  EXPECT_THROW(shoal::means_around_median<TypeParam>({}, 0, out), std::invalid_argument);
  shoal::trimmed_means<TypeParam>(rows, 1, out);  // no coordinates, no work
}

// X[i][j] = ((37 i + 61 j + 11 i^2 j) mod 101) / 8 - 6, rows 8 to 10 plus 4, f = 3. Means of byzfl 0.0.11 (numpy).
TYPED_TEST(WindowMeans, AgreeWithByzflOnElevenRows) {
  using T = TypeParam;
  Matrix<T> rows(11, std::vector<T>(5));
  for (int i = 0; i < 11; ++i) {
    for (int j = 0; j < 5; ++j) rows[i][j] = (37 * i + 61 * j + 11 * i * i * j) % 101 / 8.0 - 6 + (i >= 8 ? 4 : 0);
  }
  const std::vector<double> means = {0.925, 2.3, -0.8, 3.475, -0.85};
  const auto found = trimmed(rows, 3);
  for (std::size_t j = 0; j < 5; ++j) EXPECT_EQ(found[j], static_cast<T>(means[j]));
  EXPECT_EQ(around(rows, 3), (std::vector<T>{1.5, 2.515625, -1.78125, 4.203125, -1.75}));
}

}  // namespace
