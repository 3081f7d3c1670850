#include "kernels/order_statistics.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

namespace shoal {
namespace {

constexpr std::size_t network_rows = 2048;  // above, partitioning is about as fast
constexpr std::size_t network_columns = 64;
constexpr std::size_t network_stride = 72;          // not a power of two: rows would meet in the same cache sets
constexpr std::size_t gathered_values = 64 * 1024;  // of one block: stays in the second-level cache

// Batcher's merge exchange (Knuth, volume 3, 5.2.2, algorithm M) for any n, without the comparators that do not reach
// the middle.
std::vector<std::pair<std::size_t, std::size_t>> median_network(std::size_t n) {
  std::vector<std::pair<std::size_t, std::size_t>> all;
  const std::size_t top = std::bit_ceil(n) / 2;
  for (std::size_t p = top; p > 0; p /= 2) {
    std::size_t q = top, r = 0, d = p;
    while (true) {
      for (std::size_t i = 0; i + d < n; ++i) {
        if ((i & p) == r) all.emplace_back(i, i + d);
      }
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
  std::vector<bool> needed(n, false);
  needed[n / 2] = needed[(n - 1) / 2] = true;
  std::vector<std::pair<std::size_t, std::size_t>> kept;
  for (auto c = all.rbegin(); c != all.rend(); ++c) {
    if (!needed[c->first] && !needed[c->second]) continue;
    needed[c->first] = needed[c->second] = true;
    kept.push_back(*c);
  }
  std::ranges::reverse(kept);
  return kept;
}

template <class T>
void compare_exchange(T* __restrict a, T* __restrict b) {
  for (std::size_t j = 0; j < network_columns; ++j) {
    const T x = a[j], y = b[j];
    a[j] = y < x ? y : x;
    b[j] = x < y ? y : x;
  }
}

template <class T>
void medians_by_network(std::span<const T* const> rows, std::span<T> out) {
  const std::size_t n = rows.size();
  const auto network = median_network(n);
  std::vector<T> block(n * network_stride);
  for (std::size_t first = 0; first < out.size(); first += network_columns) {
    const std::size_t columns = std::min(network_columns, out.size() - first);
    for (std::size_t i = 0; i < n; ++i) {
      // Adding zero makes -0 the same as +0; the rest of the block keeps what it held.
      for (std::size_t j = 0; j < columns; ++j) block[i * network_stride + j] = rows[i][first + j] + T(0);
    }
    for (const auto& [low, high] : network)
      compare_exchange(&block[low * network_stride], &block[high * network_stride]);
    const T* lower = &block[(n - 1) / 2 * network_stride];
    const T* upper = &block[n / 2 * network_stride];
    if (n % 2 == 1) {
      std::copy_n(upper, columns, &out[first]);
    } else {
      for (std::size_t j = 0; j < columns; ++j) out[first + j] = std::midpoint(lower[j], upper[j]);
    }
  }
}

template <class T>
T median_of(std::span<T> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return values.size() % 2 == 1 ? *middle : std::midpoint(*std::max_element(values.begin(), middle), *middle);
}

template <class T>
void medians_by_partition(std::span<const T* const> rows, std::span<T> out) {
  const std::size_t n = rows.size(), width = std::max<std::size_t>(gathered_values / n, 16);
  std::vector<T> block(n * width);  // [width, n]: transposed
  for (std::size_t first = 0; first < out.size(); first += width) {
    const std::size_t columns = std::min(width, out.size() - first);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < columns; ++j) block[j * n + i] = rows[i][first + j] + T(0);
    }
    for (std::size_t j = 0; j < columns; ++j) out[first + j] = median_of(std::span(&block[j * n], n));
  }
}

}  // namespace

template <class T>
void medians(std::span<const T* const> rows, std::span<T> out) {
  if (rows.empty()) throw std::invalid_argument("the median of no rows");
  rows.size() <= network_rows ? medians_by_network(rows, out) : medians_by_partition(rows, out);
}

template void medians<float>(std::span<const float* const>, std::span<float>);
template void medians<double>(std::span<const double* const>, std::span<double>);

}  // namespace shoal
