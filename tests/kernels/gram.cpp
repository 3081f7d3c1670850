// Are products and distances of rows right at every size, the same bits however coordinates are sharded, free of
// cancellation where that is promised, and do they give Krum's known scores? Are combinations of rows exact?
#include "kernels/gram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using shoal::gram_chunk;
using shoal::GramScale;
using shoal::RowView;

std::vector<float> random_values(std::int64_t n, std::int64_t d, float centre = 0) {
  std::mt19937 random(31 * n + d);
  std::normal_distribution<float> normal(centre);
  std::vector<float> values(n * d);
  for (float& value : values) value = normal(random);
  return values;
}

double bound_of(const std::vector<float>& values) {
  double bound = 0;
  for (const float x : values) bound = std::max<double>(bound, std::abs(x));
  return bound;
}

std::vector<double> gram_of(RowView<const float> rows, GramScale scale, std::span<const float> centre = {}) {
  std::vector<double> gram(rows.rows() * rows.rows());
  shoal::add_gram(rows, centre, scale, gram);
  return gram;
}

std::vector<double> distances_of(RowView<const float> rows, GramScale scale) {
  std::vector<double> distances(rows.rows() * rows.rows());
  shoal::add_squared_distances(rows, scale, distances);
  return distances;
}

long double product(RowView<const float> rows, std::int64_t i, std::int64_t j, bool of_differences) {
  long double sum = 0;
  for (std::int64_t c = 0; c < rows.columns(); ++c) {
    const long double a = rows.at(i)[c], b = rows.at(j)[c];
    sum += of_differences ? (a - b) * (a - b) : a * b;
  }
  return sum;
}

TEST(Gram, ByHand) {
  const std::vector<float> x = {1, 2, -3, 4, 0, 5};
  EXPECT_EQ(gram_of({x.data(), 2, 3}, shoal::gram_scale(5, 3)), (std::vector<double>{14, -11, -11, 41}));
  EXPECT_EQ(gram_of({x.data(), 3, 2}, shoal::gram_scale(6, 2), std::vector<float>{1, 2}),
            (std::vector<double>{0, 0, 0, 0, 20, 10, 0, 10, 10}));  // rows (0, 0), (-4, 2), (-1, 3)
  EXPECT_EQ(distances_of({x.data(), 2, 3}, shoal::gram_scale(9, 3)), (std::vector<double>{0, 77, 77, 0}));
  std::vector<double> distances(4);
  shoal::distances_from_gram(std::vector<double>{14, -11, -11, 41}, distances);
  EXPECT_EQ(distances, (std::vector<double>{0, 77, 77, 0}));
}

TEST(Gram, IsNearTheExactProductsAtEverySize) {
  for (const std::int64_t n : {1, 2, 5, 31, 64, 65, 130, 257}) {
    for (const std::int64_t d : {0, 1, 31, 257, 2048, 2049, 4500}) {
      if (n > 70 && d > 2049) continue;
      const auto x = random_values(n, d);
      const RowView<const float> rows(x.data(), n, d);
      const auto gram = gram_of(rows, shoal::gram_scale(bound_of(x), d));
      const auto distances = distances_of(rows, shoal::gram_scale(2 * bound_of(x), d));
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < n; j += n > 40 ? 7 : 1) {
          const std::size_t p = i * n + j;
          // Float sums of a chunk of products of size 1.
          ASSERT_NEAR(gram[p], product(rows, i, j, false), 2e-6 * d + 1e-9);
          ASSERT_NEAR(distances[p], product(rows, i, j, true), 2e-6 * distances[p] + 1e-9);
          ASSERT_EQ(gram[p], gram[j * n + i]);
          ASSERT_EQ(distances[p], distances[j * n + i]);
        }
      }
    }
  }
}

TEST(Gram, ManyCoordinatesStayPrecise) {
  const std::int64_t d = 1'000'003;
  const auto x = random_values(3, d);
  const RowView<const float> rows(x.data(), 3, d);
  const auto gram = gram_of(rows, shoal::gram_scale(bound_of(x), d));
  EXPECT_NEAR(gram[0], product(rows, 0, 0, false), 1e-6 * d);
  EXPECT_NEAR(gram[5], product(rows, 1, 2, false), 1e-6 * d);
}

TEST(Gram, ShardsInAnyOrderGiveTheBitsOfTheWhole) {
  const std::int64_t n = 70, d = 5 * gram_chunk + 100;
  const auto x = random_values(n, d), centre = random_values(1, d);
  const RowView<const float> rows(x.data(), n, d);
  const GramScale scale = shoal::gram_scale(bound_of(x) + bound_of(centre), d);
  const auto whole = gram_of(rows, scale, centre), far = distances_of(rows, scale);
  for (const auto& cuts : {std::vector<std::int64_t>{3, 0, 5}, {5, 4, 3, 2, 1, 0}, {1, 4, 0}}) {
    // Each shard has a matrix of its own, as ranks do; the sum of the matrices is exact.
    std::vector<double> gram(whole.size()), distances(whole.size());
    for (const std::int64_t from : cuts) {
      std::int64_t to = 6;
      for (const std::int64_t other : cuts)
        if (other > from) to = std::min(to, other);
      const std::int64_t first = from * gram_chunk, last = std::min(to * gram_chunk, d);
      const RowView<const float> shard(x.data() + first, n, last - first, d);
      const auto part = gram_of(shard, scale, std::span(centre).subspan(first, last - first));
      const auto far_part = distances_of(shard, scale);
      for (std::size_t p = 0; p < whole.size(); ++p) {
        gram[p] += part[p];
        distances[p] += far_part[p];
      }
    }
    EXPECT_EQ(gram, whole);
    EXPECT_EQ(distances, far);
  }
}

TEST(Gram, DoesNotDependOnThePlaceInMemory) {
  const std::int64_t n = 37, d = 3001;
  const auto x = random_values(n, d);
  const GramScale scale = shoal::gram_scale(bound_of(x), d);
  const auto expected = gram_of({x.data(), n, d}, scale);
  std::vector<float> moved(n * (d + 5) + 3);
  for (std::int64_t i = 0; i < n; ++i) std::copy_n(&x[i * d], d, &moved[3 + i * (d + 5)]);
  EXPECT_EQ(gram_of({&moved[3], n, d, d + 5}, scale), expected);
}

// Rows at distance 1 from a common vector of length 10^4: their products are about 10^8, and float has seven digits.
TEST(Gram, CentringAvoidsCancellation) {
  const std::int64_t n = 6, d = 10'000;
  auto x = random_values(n, d);
  for (float& value : x) value = 100 + std::round(64 * value) / 4096;  // exact in float
  const RowView<const float> rows(x.data(), n, d);
  const std::vector<float> centre(d, 100);
  std::vector<double> centred(n * n), raw(n * n);
  shoal::distances_from_gram(gram_of(rows, shoal::gram_scale(1, d), centre), centred);
  shoal::distances_from_gram(gram_of(rows, shoal::gram_scale(101, d)), raw);
  const auto direct = distances_of(rows, shoal::gram_scale(1, d));
  double worst = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      const std::size_t p = i * n + j;
      const double exact = product(rows, i, j, true);
      EXPECT_NEAR(centred[p] / exact, 1, 1e-5);
      EXPECT_NEAR(direct[p] / exact, 1, 1e-6);
      worst = std::max(worst, std::abs(raw[p] / exact - 1));
    }
  }
  EXPECT_GT(worst, 1e-3);  // the cancellation that centring avoids
}

TEST(Gram, HandlesLargeAndSmallValues) {
  for (const float size : {1e30f, 3e38f, 1e-30f, 1e-38f}) {
    const std::vector<float> x = {size, size, -size, size / 2};
    const auto gram = gram_of({x.data(), 2, 2}, shoal::gram_scale(size, 2));
    const double wide = size, square = wide * wide;
    EXPECT_NEAR(gram[0] / square, 2, 1e-6);
    EXPECT_NEAR(gram[1] / square, -0.5, 1e-6);
    EXPECT_NEAR(gram[3] / square, 1.25, 1e-6);
  }
  const std::vector<float> zeros(6);
  EXPECT_EQ(gram_of({zeros.data(), 2, 3}, shoal::gram_scale(0, 3)), std::vector<double>(4));
}

TEST(Gram, RefusesWrongSizes) {
  const std::vector<float> x(6);
  std::vector<double> small(3), right(4);
  const GramScale scale;
  EXPECT_THROW(shoal::add_gram({x.data(), 2, 3}, {}, scale, small), std::invalid_argument);
  EXPECT_THROW(shoal::add_gram({x.data(), 2, 3}, std::vector<float>(2), scale, right), std::invalid_argument);
  EXPECT_THROW(shoal::add_squared_distances({x.data(), 2, 3}, scale, small), std::invalid_argument);
  EXPECT_THROW(shoal::distances_from_gram(small, small), std::invalid_argument);
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THROW(shoal::gram_scale(bad, 3), std::invalid_argument);
}

// X[i][j] = ((37 i + 61 j + 11 i^2 j) mod 101) / 8 - 6, rows 8 to 10 plus 4, f = 3: the sums of the squared distances
// to the n - f - 2 = 6 closest others (Blanchard et al., NIPS 2017), by a separate program; exact in float.
TEST(Gram, GivesKrumsScores) {
  constexpr std::int64_t n = 11, d = 5;
  std::vector<float> x;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < d; ++j) x.push_back((37 * i + 61 * j + 11 * i * i * j) % 101 / 8.0f - 6 + (i >= 8 ? 4 : 0));
  const std::vector<double> scores = {437.609375, 714.484375, 596.8125,   374.421875, 505.078125, 677.890625,
                                      332.0625,   426.421875, 762.515625, 474.671875, 869.84375};
  const RowView<const float> rows(x.data(), n, d);
  std::vector<double> from_gram(n * n);
  shoal::distances_from_gram(gram_of(rows, shoal::gram_scale(16, d)), from_gram);
  for (const auto& distances : {from_gram, distances_of(rows, shoal::gram_scale(32, d))}) {
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> others;
      for (std::size_t j = 0; j < n; ++j)
        if (j != i) others.push_back(distances[i * n + j]);
      std::ranges::sort(others);
      double score = 0;
      for (std::size_t o = 0; o < 6; ++o) score += others[o];
      EXPECT_EQ(score, scores[i]) << i;
    }
  }
}

template <class T>
std::vector<std::int64_t> products_of(RowView<const T> rows, const std::vector<double>& factors, int exponent) {
  std::vector<std::int64_t> sums(rows.rows() * (rows.rows() + 1) / 2);
  shoal::add_products<T>(rows, factors, exponent, sums);
  return sums;
}

TEST(Products, ByHand) {
  const std::vector<double> x = {1, 2, -3, 4, 0, 5};  // products 14, -11, 41
  const std::vector<double> factors = {shoal::product_factor(3), shoal::product_factor(5)};
  EXPECT_EQ(factors, (std::vector<double>{1.0 / 4, 1.0 / 8}));
  EXPECT_EQ(shoal::product_factor(4), 1.0 / 8);
  EXPECT_EQ(shoal::product_factor(0), 1);
  EXPECT_EQ(products_of<double>({x.data(), 2, 3}, factors, 10),
            (std::vector<std::int64_t>{14 * 64, -11 * 32, 41 * 16}));
  std::vector<std::int64_t> pairs(2), squares(2);
  shoal::add_products<double>({x.data() + 3, 1, 3}, std::span(factors).last(1), {x.data(), 2, 3}, factors, 10, pairs);
  EXPECT_EQ(pairs, (std::vector<std::int64_t>{-11 * 32, 41 * 16}));
  shoal::add_squares<double>({x.data(), 2, 3}, factors, 10, squares);
  EXPECT_EQ(squares, (std::vector<std::int64_t>{14 * 64, 41 * 16}));
}

// A sum of n products in double errs by at most n u / (1 - n u) times the product of both norms, u = 2^-53 (Higham,
// Accuracy and Stability of Numerical Algorithms, 3.1); the last unit is that of the integers.
double sum_error(std::int64_t n) { return (n + 8) * 0x1p-53 * 1.01; }

TEST(Products, HaveThePrecisionOfDouble) {
  for (const auto& [n, d] : {std::pair{1, 1}, {3, 2047}, {5, 4100}, {70, 2049}, {300, 100}}) {
    auto x = random_values(n, d);
    for (std::int64_t c = 0; c < d; ++c) x[c] *= 1e6f;  // the first row is far larger than the others
    const RowView<const float> rows(x.data(), n, d);
    std::vector<double> factors(n);
    for (std::int64_t i = 0; i < n; ++i) {
      double largest = 0;
      for (const float value : rows.row(i)) largest = std::max<double>(largest, std::abs(value));
      factors[i] = shoal::product_factor(largest);
    }
    const int exponent = shoal::product_exponent(d);
    const auto sums = products_of(rows, factors, exponent);
    std::size_t p = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j <= i; ++j, ++p) {
        const double found = std::ldexp(sums[p], -exponent) / factors[i] / factors[j];
        const long double size = std::sqrt(product(rows, i, i, false) * product(rows, j, j, false));
        ASSERT_NEAR(found, product(rows, i, j, false), sum_error(d) * size) << n << " " << d;
      }
    }
  }
}

TEST(Products, AreTheSameFromShardsOnThreads) {
  const std::int64_t n = 70, d = 4 * gram_chunk + 100;
  const auto x = random_values(n, d);
  const std::vector<double> factors(n, shoal::product_factor(bound_of(x)));
  const int exponent = shoal::product_exponent(d);
  const auto whole = products_of<float>({x.data(), n, d}, factors, exponent);
  std::vector<std::int64_t> sums(whole.size());
  std::vector<std::thread> threads;
  for (std::int64_t first = 4 * gram_chunk; first >= 0; first -= gram_chunk) {
    threads.emplace_back([&, first] {
      const RowView<const float> shard(x.data() + first, n, std::min(gram_chunk, d - first), d);
      shoal::add_products(shard, factors, exponent, sums);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sums, whole);
}

TEST(Products, FitTheirSums) {
  const std::vector<float> x(3 * gram_chunk, std::nextafter(1.0f, 0.0f));
  const std::vector<double> factors = {shoal::product_factor(x[0])};
  const auto sums = products_of<float>({x.data(), 1, 3 * gram_chunk}, factors, shoal::product_exponent(3 * gram_chunk));
  EXPECT_GT(sums[0], std::int64_t{1} << 59);
  EXPECT_LT(sums[0], std::int64_t{1} << 62);
}

TEST(Products, RefuseWrongSizes) {
  const std::vector<float> x(6);
  const std::vector<double> factors(2, 1.0);
  std::vector<std::int64_t> small(2), right(3);
  EXPECT_THROW(shoal::add_products<float>({x.data(), 2, 3}, factors, 3, small), std::invalid_argument);
  EXPECT_THROW(shoal::add_products<float>({x.data(), 3, 2}, factors, 3, right), std::invalid_argument);
  EXPECT_THROW(shoal::add_squares<float>({x.data(), 2, 3}, factors, 3, right), std::invalid_argument);
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THROW(shoal::product_factor(bad), std::invalid_argument);
}

TEST(Combine, TakesRowsOfDouble) {
  for (const std::int64_t d : {1, 8, 31, 3000}) {
    std::vector<double> x(5 * d), weights(3 * 5), out(3 * d);
    for (std::size_t p = 0; p < x.size(); ++p) x[p] = std::sin(p);
    for (std::size_t p = 0; p < weights.size(); ++p) weights[p] = std::cos(p);
    shoal::combine(weights, RowView<const double>(x.data(), 5, d), RowView<double>(out.data(), 3, d));
    for (std::int64_t p = 0; p < 3 * d; ++p) {
      double sum = 0;
      for (std::int64_t i = 0; i < 5; ++i) sum = std::fma(weights[p / d * 5 + i], x[i * d + p % d], sum);
      ASSERT_EQ(out[p], sum) << d;
    }
  }
}

TEST(Combine, EqualsFusedSumsInOrder) {
  for (const std::int64_t m : {1, 3, 4, 9}) {
    for (const std::int64_t n : {0, 1, 5, 100}) {
      for (const std::int64_t d : {0, 1, 7, 8, 31, 257, 3000}) {
        const auto x = random_values(n, d);
        std::vector<double> weights(m * n);
        for (std::size_t w = 0; w < weights.size(); ++w) weights[w] = std::sin(w);
        std::vector<float> out(m * d, 99);
        shoal::combine(weights, {x.data(), n, d}, {out.data(), m, d});
        for (std::int64_t r = 0; r < m; ++r) {
          for (std::int64_t j = 0; j < d; ++j) {
            double sum = 0;
            for (std::int64_t i = 0; i < n; ++i) {
              const double value = x[i * d + j];
              sum = std::fma(weights[r * n + i], value, sum);
            }
            const float expected = sum;
            ASSERT_EQ(out[r * d + j], expected) << m << " " << n << " " << d;
          }
        }
      }
    }
  }
}

TEST(Combine, TakesRowsThatAreNotNeighbours) {
  const std::vector<float> x = {1, 2, 9, 3, 4, 9};
  std::vector<float> out(8, 7);
  shoal::combine(std::vector<double>{1, 10, 0.5, 0.5}, {x.data(), 2, 2, 3}, {out.data(), 2, 2, 4});
  EXPECT_EQ(out, (std::vector<float>{31, 42, 7, 7, 2, 3, 7, 7}));
  EXPECT_THROW(shoal::combine(std::vector<double>{1}, {x.data(), 2, 2}, {out.data(), 1, 2}), std::invalid_argument);
  EXPECT_THROW(shoal::combine(std::vector<double>{1, 1}, {x.data(), 2, 2}, {out.data(), 1, 3}), std::invalid_argument);
}

}  // namespace
