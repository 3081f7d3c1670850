#include "kernels/order_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/order_statistics_strip.hpp"
#include "kernels/order_statistics_window.hpp"

namespace shoal {
namespace {

using order::all_lanes;
using order::Keys;
using order::Lanes;
using order::Values;

// Up to this many rows are sorted; for more rows, selection visits each value fewer times. A window around the median
// needs three selections.
constexpr std::size_t most_sorted = 48;
constexpr std::size_t most_sorted_around_median = 128;
constexpr std::size_t gathered_values = 64 * 1024;  // values of one block, which stay in the second-level cache

// Calls rule(keys of the n rows) for each strip and stores the values that it returns.
template <class T, class Rule>
void each_strip(std::span<const T* const> rows, std::span<T> out, const Rule& rule) {
  constexpr std::size_t lanes = Lanes<T>::count;
  const std::size_t n = rows.size();
  const std::size_t strips = std::clamp<std::size_t>(gathered_values / lanes / n, 64 / (lanes * sizeof(T)), 64);
  std::vector<Keys<T>> block(strips * n);
  for (std::size_t first = 0; first < out.size(); first += strips * lanes) {
    const std::size_t columns = std::min(strips * lanes, out.size() - first);
    for (std::size_t i = 0; i < n; ++i) {
      const T* row = rows[i] + first;
      std::size_t s = 0;
      for (; (s + 1) * lanes <= columns; ++s) {
        Values<T> values;
        __builtin_memcpy(&values, row + s * lanes, sizeof values);
        block[s * n + i] = order::keys_of<T>(values);
      }
      if (s * lanes < columns) {
        Values<T> values{};
        __builtin_memcpy(&values, row + s * lanes, (columns - s * lanes) * sizeof(T));
        block[s * n + i] = order::keys_of<T>(values);
      }
    }
    for (std::size_t s = 0; s * lanes < columns; ++s) {
      const Values<T> result = rule(std::span(&block[s * n], n));
      __builtin_memcpy(&out[first + s * lanes], &result, std::min(lanes, columns - s * lanes) * sizeof(T));
    }
  }
}

// Finds keys of given ranks in a strip.
template <class T>
class Ranks {
 public:
  // For ranks from `first` to `last`; up to `most_sorted` rows are sorted.
  Ranks(std::size_t n, std::size_t first, std::size_t last, std::size_t most_sorted)
      : sorts_(n <= most_sorted), network_(sorts_ ? order::sorting_network(n, first, last) : order::Network{}) {}

  // Whether prepare sorts the strips.
  bool sorts() const { return sorts_; }
  // Must be called first for each strip; may reorder its rows.
  void prepare(std::span<Keys<T>> strip) const {
    if (sorts_) order::sort<T>(strip, network_);
  }
  std::pair<Keys<T>, Keys<T>> at(std::span<const Keys<T>> strip, Keys<T> first, Keys<T> second) const {
    return sorts_ ? std::pair(gather(strip, first), gather(strip, second)) : order::select<T>(strip, first, second);
  }

 private:
  static Keys<T> gather(std::span<const Keys<T>> strip, Keys<T> rank) {
    Keys<T> found;
    for (int lane = 0; lane < Lanes<T>::count; ++lane) found[lane] = strip[rank[lane]][lane];
    return found;
  }

  bool sorts_;
  order::Network network_;
};

template <class T>
Values<T> midpoint(Keys<T> a, Keys<T> b) {
  const Values<T> lower = order::values_of<T>(a), upper = order::values_of<T>(b);
  Values<T> middle;
  for (int lane = 0; lane < Lanes<T>::count; ++lane) middle[lane] = order::middle<T>(lower[lane], upper[lane]);
  return middle;
}

typedef double Doubles __attribute__((vector_size(32)));

// Four lanes as double; a vector of float has two such parts.
inline Doubles widened(Values<float> x, int part) {
  return part == 0 ? __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3), Doubles)
                   : __builtin_convertvector(__builtin_shufflevector(x, x, 4, 5, 6, 7), Doubles);
}
inline Doubles widened(Values<double> x, int) { return x; }

// The mean of the strip's keys without the `below` smallest and `above` largest; `a` is the smallest remaining key, `b`
// the largest. The sum runs over all keys, clamped to [a, b]; the surplus of a and b is exact and is subtracted again.
// The strip may be a part of one with n rows.
template <class T>
Values<T> window_mean(std::span<const Keys<T>> strip, std::int64_t n, Keys<T> a, Keys<T> b, Keys<T> below,
                      Keys<T> above) {
  constexpr int lanes = Lanes<T>::count, parts = lanes / 4;
  const std::int64_t size = std::ssize(strip);
  const Values<T> first = order::values_of<T>(a), last = order::values_of<T>(b);
  Doubles coarse[parts], fine[parts], scale[parts], sum[parts] = {}, rest[parts] = {};
  for (int lane = 0; lane < lanes; ++lane) {
    const order::Unit<T> unit(order::largest_of(first[lane], last[lane]), n);
    coarse[lane / 4][lane % 4] = unit.coarse();
    fine[lane / 4][lane % 4] = unit.fine();
    scale[lane / 4][lane % 4] = unit.scale();
  }
  for (const Keys<T> key : strip) {
    const Values<T> clamped = order::values_of<T>(order::larger(a, order::smaller(key, b)));
    for (int p = 0; p < parts; ++p) {
      Doubles x = widened(clamped, p);
      if constexpr (sizeof(T) == 8) x *= scale[p];
      const Doubles rounded = (x + coarse[p]) - coarse[p];
      sum[p] += rounded;
      if constexpr (sizeof(T) == 8) rest[p] += ((x - rounded) + fine[p]) - fine[p];
    }
  }
  Values<T> mean;
  for (int lane = 0; lane < lanes; ++lane) {
    const order::Unit<T> unit(order::largest_of(first[lane], last[lane]), n);
    typename order::Unit<T>::Parts total{sum[lane / 4][lane % 4], rest[lane / 4][lane % 4]};
    total.add(unit.parts(first[lane]), -1.0 * below[lane]);
    total.add(unit.parts(last[lane]), -1.0 * above[lane]);
    mean[lane] = order::is_finite(first[lane]) && order::is_finite(last[lane])
                     ? unit.mean(total, size - below[lane] - above[lane])
                     : first[lane] + last[lane];
  }
  return mean;
}

template <class T>
Keys<T> distances(Keys<T> keys, Values<T> median) {
  const Values<T> x = order::values_of<T>(keys);
  return reinterpret_cast<Keys<T>>(x < median ? median - x : x - median);  // not negative, so they order as integers do
}

// How many values below the median are among the `dropped` that are farthest from it.
template <class T>
class Farthest {
 public:
  Farthest(const Ranks<T>& ranks, std::size_t n, std::size_t dropped)
      : ranks_(ranks), dropped_(dropped), distances_(ranks.sorts() ? 0 : n) {}

  Keys<T> below(std::span<const Keys<T>> strip, Values<T> median) {
    return ranks_.sorts() ? from_sorted(strip, median) : from_distances(strip, median);
  }

 private:
  // The i-th smallest value is dropped if it is farther from the median than the large value that would be dropped
  // instead of it.
  Keys<T> from_sorted(std::span<const Keys<T>> strip, Values<T> median) const {
    Keys<T> count{};
    const std::size_t kept = strip.size() - dropped_;
    for (std::size_t i = 0; i < dropped_; ++i)
      count -= distances<T>(strip[i], median) > distances<T>(strip[i + kept], median);
    return count;
  }

  // All values beyond the last distance that is kept are dropped; of those at that distance the upper ones first.
  Keys<T> from_distances(std::span<const Keys<T>> strip, Values<T> median) {
    for (std::size_t i = 0; i < strip.size(); ++i) distances_[i] = distances<T>(strip[i], median);
    const Keys<T> rank = all_lanes<T>(strip.size() - dropped_ - 1);
    const Keys<T> limit = order::select<T>(distances_, rank, rank).first;
    Keys<T> lower{}, upper{};
    for (std::size_t i = 0; i < strip.size(); ++i) {
      const auto is_below = order::values_of<T>(strip[i]) < median;
      lower -= (distances_[i] > limit) & is_below;
      upper -= (distances_[i] >= limit) & ~is_below;
    }
    return order::larger(lower, all_lanes<T>(dropped_) - upper);
  }

  const Ranks<T>& ranks_;
  std::size_t dropped_;
  std::vector<Keys<T>> distances_;
};

}  // namespace

void require_majority(std::int64_t rows, std::int64_t dropped) {
  if (dropped < 0 || 2 * dropped >= rows)
    throw std::invalid_argument("dropping " + std::to_string(dropped) + " of " + std::to_string(rows) +
                                " rows from each end (must be fewer than half of the rows)");
}

template <class T>
void medians(std::span<const T* const> rows, std::span<T> out) {
  if (rows.empty()) throw std::invalid_argument("the median of no rows");
  const std::size_t n = rows.size(), lower = (n - 1) / 2, upper = n / 2;
  const Ranks<T> ranks(n, lower, upper, most_sorted);
  each_strip(rows, out, [&](std::span<Keys<T>> strip) {
    ranks.prepare(strip);
    const auto [low, high] = ranks.at(strip, all_lanes<T>(lower), all_lanes<T>(upper));
    return midpoint<T>(low, high);
  });
}

template <class T>
void trimmed_means(std::span<const T* const> rows, std::int64_t dropped, std::span<T> out) {
  require_majority(std::ssize(rows), dropped);
  const std::size_t n = rows.size(), first = dropped, last = n - 1 - first;
  const Ranks<T> ranks(n, first, last, most_sorted);
  each_strip(rows, out, [&](std::span<Keys<T>> strip) {
    ranks.prepare(strip);
    const auto [low, high] = ranks.at(strip, all_lanes<T>(first), all_lanes<T>(last));
    if (ranks.sorts())
      return window_mean<T>(strip.subspan(first, n - 2 * first), std::ssize(rows), low, high, Keys<T>{}, Keys<T>{});
    return window_mean<T>(strip, std::ssize(rows), low, high, all_lanes<T>(first), all_lanes<T>(first));
  });
}

template <class T>
void means_around_median(std::span<const T* const> rows, std::int64_t dropped, std::span<T> out) {
  require_majority(std::ssize(rows), dropped);
  const std::size_t n = rows.size();
  const Ranks<T> ranks(n, 0, n - 1, most_sorted_around_median);
  const Keys<T> both = all_lanes<T>(dropped), end = all_lanes<T>(n - 1);
  Farthest<T> farthest(ranks, n, dropped);
  each_strip(rows, out, [&](std::span<Keys<T>> strip) {
    ranks.prepare(strip);
    const auto [middle, next] = ranks.at(strip, all_lanes<T>((n - 1) / 2), all_lanes<T>(n / 2));
    const Values<T> median = midpoint<T>(middle, next);
    const Keys<T> below = farthest.below(strip, median), above = both - below;
    const auto [low, high] = ranks.at(strip, below, end - above);
    const Values<T> mean = window_mean<T>(strip, std::ssize(rows), low, high, below, above);
    return median - median == 0 ? mean : median;
  });
}

#define SHOAL_INSTANTIATE(T)                                                             \
  template void medians<T>(std::span<const T* const>, std::span<T>);                     \
  template void trimmed_means<T>(std::span<const T* const>, std::int64_t, std::span<T>); \
  template void means_around_median<T>(std::span<const T* const>, std::int64_t, std::span<T>);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
