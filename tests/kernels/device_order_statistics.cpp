// Do device and host forms give the same bits, whether columns are sorted or selected from?
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>

#include "kernels/order_statistics.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;
using shoal::RowView;

template <class T>
std::vector<T> mixed_values(std::int64_t n, std::int64_t d) {
  std::mt19937 random(n * 1000 + d);
  std::normal_distribution<double> normal;
  std::vector<T> values(n * d);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::int64_t column = i % d;
    const double x = normal(random);
    values[i] = x;
    if (column % 5 == 0) values[i] = std::round(x);  // ties, some of them -0
    if (column % 5 == 1) values[i] = std::exp(20 * x);
    if (column % 7 == 3 && random() % 3 == 0) values[i] = std::copysign(std::numeric_limits<T>::infinity(), values[i]);
  }
  return values;
}

class DeviceOrderStatistics : public Device {
 protected:
  template <class T>
  void expect_equal(std::int64_t n, std::int64_t d) {
    const auto values = mixed_values<T>(n, d);
    std::vector<const T*> rows;
    for (std::int64_t i = 0; i < n; ++i) rows.push_back(values.data() + i * d);
    const DeviceArray<T> there(device, std::span<const T>(values));
    const RowView<const T> view(there.data(), n, d);
    DeviceArray<T> out(device, d);
    std::vector<T> expected(d);

    shoal::medians<T>(rows, expected);
    shoal::medians<T>(device, view, out.data());
    same_bits(on_host(out), expected, n, "median");
    for (const std::int64_t dropped : {std::int64_t{0}, n / 10, (n - 1) / 2}) {
      shoal::trimmed_means<T>(rows, dropped, expected);
      shoal::trimmed_means<T>(device, view, dropped, out.data());
      same_bits(on_host(out), expected, n, "trimmed mean");
      shoal::means_around_median<T>(rows, dropped, expected);
      shoal::means_around_median<T>(device, view, dropped, out.data());
      same_bits(on_host(out), expected, n, "mean around the median");
    }
  }

  template <class T>
  static void same_bits(const std::vector<T>& found, const std::vector<T>& expected, std::int64_t n,
                        const char* statistic) {
    for (std::size_t j = 0; j < found.size(); ++j) {
      if (std::isnan(found[j]) && std::isnan(expected[j])) continue;
      ASSERT_EQ(std::memcmp(&found[j], &expected[j], sizeof(T)), 0)
          << statistic << " of " << n << " rows, column " << j << ": " << found[j] << " and " << expected[j];
    }
  }
};

TEST_F(DeviceOrderStatistics, EqualsTheHostForEveryNumberOfRows) {
  for (const int n : {1, 2, 3, 4, 16, 31, 64, 65, 100, 128, 129, 160, 161, 257, 320, 321, 1000}) {
    expect_equal<float>(n, 71);
    expect_equal<double>(n, 71);
  }
  expect_equal<float>(4096, 33);
  expect_equal<double>(4096, 33);
}

TEST_F(DeviceOrderStatistics, EqualsTheHostForEveryNumberOfColumns) {
  for (const int d : {1, 31, 257, 10'007}) expect_equal<float>(7, d);
  expect_equal<float>(3, 1'000'003);
}

TEST_F(DeviceOrderStatistics, AcceptsNoColumns) {
  shoal::medians<float>(device, RowView<const float>(nullptr, 5, 0), nullptr);
  shoal::trimmed_means<float>(device, RowView<const float>(nullptr, 500, 0), 2, nullptr);
  wait(device);
}

TEST_F(DeviceOrderStatistics, RefusesToDropAll) {
  const RowView<const float> rows(nullptr, 4, 0);
  EXPECT_THROW(shoal::trimmed_means<float>(device, rows, 2, nullptr), std::invalid_argument);
  EXPECT_THROW(shoal::means_around_median<float>(device, rows, -1, nullptr), std::invalid_argument);
  EXPECT_THROW(shoal::medians<float>(device, RowView<const float>(), nullptr), std::invalid_argument);
}

}  // namespace
