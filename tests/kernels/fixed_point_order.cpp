// Is one weighted sum the same integers for every order and grouping of clients, and as accurate as promised?
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/fixed_point.hpp"

namespace {

using Sums = std::vector<std::int64_t>;
constexpr std::size_t clients = 24, d = 257;

struct Cohort {
  std::vector<std::vector<float>> rows;
  Sums weights;
  double total_weight = 0, bound = 0;
  int exponent = 0;
};

Cohort random_cohort() {
  Cohort cohort;
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (std::size_t k = 0; k < clients; ++k) {
    std::vector<float> row(d);
    for (float& x : row) {
      const float z = normal(random);
      const int exponent = random() % 30;
      x = z * std::ldexp(1.0f, exponent - 20);  // wide range
    }
    cohort.bound = std::max(cohort.bound, shoal::scan<float>(row).max_abs);
    cohort.rows.push_back(std::move(row));
    cohort.weights.push_back(random() % 1000);
    cohort.total_weight += cohort.weights.back();
  }
  cohort.exponent = shoal::unit_exponent(cohort.total_weight, cohort.bound);
  return cohort;
}

Sums sum_of(const Cohort& cohort, std::span<const std::size_t> who) {
  Sums sum(d);
  for (const std::size_t k : who) shoal::accumulate<float>(sum, cohort.rows[k], cohort.weights[k], cohort.exponent);
  return sum;
}

TEST(FixedPointOrder, ThousandOrdersAndGroupingsGiveOneResult) {
  const Cohort cohort = random_cohort();
  std::vector<std::size_t> order(clients);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Sums expected = sum_of(cohort, order);
  std::mt19937 random(12);
  for (int trial = 0; trial < 1000; ++trial) {
    std::shuffle(order.begin(), order.end(), random);
    const std::span<const std::size_t> all = order;
    const std::size_t cut = random() % (clients + 1);
    Sums left = sum_of(cohort, all.first(cut));
    const Sums right = sum_of(cohort, all.subspan(cut));
    for (std::size_t i = 0; i < d; ++i) left[i] += right[i];
    ASSERT_EQ(left, expected) << "trial " << trial;
  }
}

TEST(FixedPointOrder, ErrorIsHalfAUnitPerWeight) {
  const Cohort cohort = random_cohort();
  std::vector<std::size_t> order(clients);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Sums sum = sum_of(cohort, order);
  std::vector<double> mean(d);
  shoal::to_mean<double>(sum, cohort.exponent, cohort.total_weight, mean);
  for (std::size_t i = 0; i < d; ++i) {
    long double exact = 0;
    for (std::size_t k = 0; k < clients; ++k) {
      const long double x = cohort.rows[k][i];
      exact += x * cohort.weights[k];
    }
    exact /= cohort.total_weight;
    // Half a unit of the sum per unit of weight, and the three roundings of to_mean.
    const double tolerance = std::ldexp(0.5, -cohort.exponent) + 4e-16 * std::abs(mean[i]);
    ASSERT_NEAR(mean[i], exact, tolerance);
  }
}

TEST(FixedPointOrder, EqualUpdatesStayEqual) {
  const std::vector<float> update = {0.1f, -0.3f, 1e-7f, 0.7f};
  const int exponent = shoal::unit_exponent(7, 1.0);
  Sums sum(4), alone(4);
  for (const std::int64_t weight : {1, 2, 4}) shoal::accumulate<float>(sum, update, weight, exponent);
  shoal::accumulate<float>(alone, update, 7, exponent);
  EXPECT_EQ(sum, alone);
}

}  // namespace
