// Do device forms select, take and add exactly what host forms do?
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include "kernels/fixed_point.hpp"
#include "kernels/sparsify.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;
using shoal::RowView;
using Indices = std::vector<std::uint32_t>;

std::vector<float> values_of(std::size_t n, int kind) {
  std::mt19937 random(n + 7);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& value : x) {
    value = normal(random);
    if (kind == 1) value = std::round(value);
    if (kind == 2) value = std::copysign(std::exp(30 * value), value);
  }
  if (n > 2 && kind == 2) x[n / 2] = std::numeric_limits<float>::infinity();
  return x;
}

class DeviceSparsify : public Device {
 protected:
  static constexpr std::int64_t rows = 3;

  template <class T>
  DeviceArray<T> there(const std::vector<T>& values) {
    return {device, std::span<const T>(values)};
  }
  static std::span<const float> row(const std::vector<float>& x, std::int64_t i, std::size_t n) {
    return std::span(x).subspan(i * n, n);
  }
};

TEST_F(DeviceSparsify, TopKEqualsTheHost) {
  for (const std::size_t n : {1, 31, 257, 4096, 4097, 50'000}) {
    for (const int kind : {0, 1, 2}) {
      const auto x = values_of(n * rows, kind);
      const auto x_there = there(x);
      for (const std::size_t k : {std::size_t{0}, std::size_t{1}, n / 100, n / 3, n}) {
        DeviceArray<std::uint32_t> indices(device, k * rows);
        const std::int64_t d = n;
        shoal::top_k(device, RowView<const float>(x_there.data(), rows, d), k, indices.data());
        const auto found = on_host(indices);
        for (std::int64_t i = 0; i < rows; ++i) {
          Indices expected(k);
          shoal::top_k(row(x, i, n), expected);
          EXPECT_TRUE(std::equal(expected.begin(), expected.end(), found.begin() + i * k))
              << k << " of " << n << ", kind " << kind;
        }
      }
    }
  }
}

TEST_F(DeviceSparsify, TopKOfManyChunksEqualsTheHost) {
  const std::size_t n = 1'000'003, k = n / 100;
  const auto x = values_of(n, 1);
  const auto x_there = there(x);
  DeviceArray<std::uint32_t> indices(device, k);
  shoal::top_k(device, RowView<const float>(x_there.data(), 1, n), k, indices.data());
  Indices expected(k);
  shoal::top_k(x, expected);
  EXPECT_EQ(on_host(indices), expected);
}

TEST_F(DeviceSparsify, TopKPutsNanFirst) {
  std::vector<float> x(5000, 1);
  x[4321] = std::numeric_limits<float>::quiet_NaN();
  x[77] = std::numeric_limits<float>::infinity();
  const auto x_there = there(x);
  DeviceArray<std::uint32_t> indices(device, 1);
  shoal::top_k(device, RowView<const float>(x_there.data(), 1, 5000), 1, indices.data());
  EXPECT_EQ(on_host(indices), Indices{4321});
}

TEST_F(DeviceSparsify, AtLeastEqualsTheHostAndCountsAll) {
  for (const std::size_t n : {1, 31, 257, 50'000}) {
    const auto x = values_of(n * rows, 0);
    const auto x_there = there(x);
    const std::size_t room = n / 8 + 1;
    DeviceArray<std::uint32_t> indices(device, room * rows);
    DeviceArray<std::int64_t> counts(device, rows);
    for (const float threshold : {1.f, 2.f, std::numeric_limits<float>::infinity()}) {
      shoal::at_least(device, RowView<const float>(x_there.data(), rows, n), threshold, room, indices.data(),
                      counts.data());
      const auto found = on_host(indices);
      const auto found_counts = on_host(counts);
      for (std::int64_t i = 0; i < rows; ++i) {
        auto expected = shoal::at_least(row(x, i, n), threshold);
        EXPECT_EQ(found_counts[i], std::ssize(expected));
        expected.resize(std::min(expected.size(), room));
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), found.begin() + i * room));
      }
    }
  }
}

TEST_F(DeviceSparsify, RandomKEqualsTheHost) {
  DeviceArray<std::uint32_t> indices(device, 500);
  shoal::random_k(device, {{1, 2}}, {{3, 4, 5, 0}}, 100'000, 500, indices.data());
  Indices expected(500);
  shoal::random_k({{1, 2}}, {{3, 4, 5, 0}}, 100'000, expected);
  EXPECT_EQ(on_host(indices), expected);
}

TEST_F(DeviceSparsify, MemoryEqualsTheHost) {
  for (const std::size_t n : {31, 9000}) {
    for (const std::size_t k : {std::size_t{0}, n / 10}) {
      auto memory = values_of(n * rows, 1);
      const auto update = values_of(n * rows, 2);
      auto memory_there = there(memory);
      const auto update_there = there(update);
      DeviceArray<std::uint32_t> indices(device, k * rows);
      DeviceArray<float> values(device, k * rows);
      const std::int64_t d = n;
      shoal::top_k_with_memory(device, RowView<float>(memory_there.data(), rows, d),
                               RowView<const float>(update_there.data(), rows, d), k, indices.data(), values.data());
      const auto found = on_host(indices);
      const auto found_values = on_host(values);
      for (std::int64_t i = 0; i < rows; ++i) {
        Indices expected(k);
        std::vector<float> expected_values(k);
        shoal::top_k_with_memory(std::span(memory).subspan(i * n, n), row(update, i, n), expected, expected_values);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), found.begin() + i * k));
        EXPECT_TRUE(std::equal(expected_values.begin(), expected_values.end(), found_values.begin() + i * k));
      }
      EXPECT_EQ(on_host(memory_there), memory);
    }
  }
}

TEST_F(DeviceSparsify, GatherReadsAndTakeClears) {
  const auto there_rows = there(std::vector<float>{1, 2, 3, 4, 5, 6});
  auto taken_rows = there(std::vector<float>{1, 2, 3, 4, 5, 6});
  const auto indices = there(Indices{0, 2, 1, 2});
  DeviceArray<float> gathered(device, 4), taken(device, 4);
  shoal::gather(device, RowView<const float>(there_rows.data(), 2, 3), 2, indices.data(), gathered.data());
  shoal::take(device, RowView<float>(taken_rows.data(), 2, 3), 2, indices.data(), taken.data());
  EXPECT_EQ(on_host(gathered), (std::vector<float>{1, 3, 5, 6}));
  EXPECT_EQ(on_host(taken), (std::vector<float>{1, 3, 5, 6}));
  EXPECT_EQ(on_host(taken_rows), (std::vector<float>{0, 2, 0, 4, 0, 0}));
}

TEST_F(DeviceSparsify, ScatterAddEqualsTheHost) {
  const std::size_t d = 30'000;
  const auto x = values_of(d, 0);
  const auto indices = shoal::at_least(x, 1);
  std::vector<float> values(indices.size());
  shoal::gather(x, indices, values);
  std::vector<std::int64_t> expected(d);
  shoal::scatter_add(expected, indices, values, 12, 35);
  DeviceArray<std::int64_t> sum(device, d);
  DeviceArray<std::int32_t> failed(device, 1);
  sum.zero();
  failed.zero();
  const auto indices_there = there(indices);
  const auto values_there = there(values);
  shoal::scatter_add(device, sum.data(), d, std::ssize(indices), indices_there.data(), values_there.data(), 12, 35,
                     failed.data());
  EXPECT_EQ(on_host(sum), expected);
  EXPECT_EQ(on_host(failed)[0], 0);
}

TEST_F(DeviceSparsify, ScatterAddReportsFailures) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 0x1p40f}) {
    DeviceArray<std::int64_t> sum(device, 3);
    DeviceArray<std::int32_t> failed(device, 1);
    sum.zero();
    failed.zero();
    const auto indices = there(Indices{0, 2});
    const auto values = there(std::vector<float>{1, bad});
    shoal::scatter_add(device, sum.data(), 3, 2, indices.data(), values.data(), 5, 30, failed.data());
    EXPECT_EQ(on_host(failed)[0], 1);
    EXPECT_EQ(on_host(sum), (std::vector<std::int64_t>{std::int64_t{5} << 30, 0, 0}));
  }
}

// Row 1 has weight 0 and may hold anything; row 2 has no entries.
TEST_F(DeviceSparsify, ScattersAllRowsAtOnce) {
  const std::vector<std::int64_t> starts{0, 3, 5, 5, 7}, weights{3, 0, 9, -2};
  const Indices indices{0, 4, 6, 1, 99, 4, 5};
  const std::vector<double> values{1.25, -3, 0.7, std::numeric_limits<double>::quiet_NaN(), 1, 2.2, -8};
  std::vector<std::int64_t> expected(7);
  for (const std::size_t k : {0, 3}) {
    const std::size_t first = starts[k], size = starts[k + 1] - first;
    shoal::scatter_add(expected, std::span(indices).subspan(first, size), std::span(values).subspan(first, size),
                       weights[k], 20);
  }
  DeviceArray<std::int64_t> sum(device, 7), bad_row(device, 1);
  const auto starts_there = there(starts);
  const auto weights_there = there(weights);
  const auto indices_there = there(indices);
  const auto values_there = there(values);
  const shoal::SparseView<double> rows{4, starts_there.data(), indices_there.data(), values_there.data()};
  const auto bad_row_after = [&](int exponent, const std::int64_t* by) {
    sum.zero();
    shoal::copy_to_device(device, bad_row.data(), &shoal::no_row, sizeof shoal::no_row);
    shoal::scatter_add_rows(device, sum.data(), 7, rows, by, exponent, bad_row.data());
    return on_host(bad_row)[0];
  };
  EXPECT_EQ(bad_row_after(20, weights_there.data()), shoal::no_row);
  EXPECT_EQ(on_host(sum), expected);
  EXPECT_EQ(bad_row_after(60, weights_there.data()), 0);
  const auto others = there(std::vector<std::int64_t>{0, 1, 1, 1});
  EXPECT_EQ(bad_row_after(20, others.data()), 1);
}

TEST_F(DeviceSparsify, RefusesWrongSizes) {
  const RowView<const float> rows_of_two(nullptr, 1, 2);
  EXPECT_THROW(shoal::top_k(device, rows_of_two, 3, nullptr), std::invalid_argument);
  EXPECT_THROW(shoal::at_least(device, rows_of_two, -1, 2, nullptr, nullptr), std::invalid_argument);
  EXPECT_THROW(shoal::random_k(device, {}, {}, 2, 3, nullptr), std::invalid_argument);
}

}  // namespace
