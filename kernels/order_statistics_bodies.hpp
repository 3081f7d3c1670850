#pragma once
// Bodies of the device forms of order statistics. A block processes 32 neighbouring columns with eight lanes each, so
// that 32 lanes read neighbouring values of a row. Few rows are sorted in shared memory; among many rows the wanted
// ranks are found digit by digit (radix selection), which reads the rows once per digit.

#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/launch.hpp"
#include "kernels/order_statistics_window.hpp"
#include "kernels/view.hpp"

namespace shoal::order {

enum class Statistic { median, trimmed_mean, mean_around_median };

inline constexpr int block_columns = 32;
inline constexpr int column_lanes = 8;

/// The fields that all bodies share.
template <class T>
struct Columns {
  Statistic statistic;
  RowView<const T> rows;
  std::int64_t dropped;
  T* out;

  SHOAL_HD std::int64_t column(const Block& block, int lane) const {
    return block.index() * block_columns + lane % block_columns;
  }
  /// -0 counts as +0; a column beyond the last is all zeros.
  SHOAL_HD T value(std::int64_t i, std::int64_t column) const {
    return column < rows.columns() ? rows.at(i)[column] + T(0) : T(0);
  }
};

/// The window of each column, and the partial sums of its lanes.
template <class T>
struct WindowSums {
  T first[block_columns], last[block_columns];
  std::int64_t below[block_columns];  // number of values below the window
  typename Unit<T>::Parts parts[column_lanes][block_columns];

  SHOAL_HD Unit<T> unit(int column, std::int64_t n) const { return {largest_of(first[column], last[column]), n}; }

  /// The window's mean from the lanes' sums.
  SHOAL_HD T mean(int column, std::int64_t n, std::int64_t count) const {
    if (!is_finite(first[column]) || !is_finite(last[column])) return first[column] + last[column];
    typename Unit<T>::Parts total;
    for (int l = 0; l < column_lanes; ++l) total.add(parts[l][column], 1);
    return unit(column, n).mean(total, count);
  }
};

/// Sorts the columns; for up to `capacity` rows.
template <class T, int capacity>
struct SortColumns : Columns<T> {
  static constexpr int lanes = block_columns * column_lanes;
  struct Shared {
    T value[capacity][block_columns];
    WindowSums<T> window;
  };

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const std::int64_t n = this->rows.rows();
    block.each([&](int lane) {
      for (std::int64_t i = lane / block_columns; i < n; i += column_lanes)
        shared.value[i][lane % block_columns] = this->value(i, this->column(block, lane));
    });
    sort(block, shared, n);
    if (this->statistic == Statistic::median) {
      block.each([&](int lane) {
        if (lane < block_columns) store(block, lane, median(shared, lane, n));
      });
      return;
    }
    const std::int64_t kept = n - (this->statistic == Statistic::trimmed_mean ? 2 : 1) * this->dropped;
    block.each([&](int lane) {
      if (lane >= block_columns) return;
      auto& window = shared.window;
      window.below[lane] = this->statistic == Statistic::trimmed_mean ? this->dropped : farthest(shared, lane, n);
      window.first[lane] = shared.value[window.below[lane]][lane];
      window.last[lane] = shared.value[window.below[lane] + kept - 1][lane];
    });
    block.each([&](int lane) {
      const int column = lane % block_columns, part = lane / block_columns;
      const Unit<T> unit = shared.window.unit(column, n);
      typename Unit<T>::Parts sum;
      for (std::int64_t i = part; i < kept; i += column_lanes)
        sum.add(unit.parts(shared.value[shared.window.below[column] + i][column]), 1);
      shared.window.parts[part][column] = sum;
    });
    block.each([&](int lane) {
      if (lane >= block_columns) return;
      const T centre = median(shared, lane, n), mean = shared.window.mean(lane, n, kept);
      store(block, lane, this->statistic == Statistic::mean_around_median && !is_finite(centre) ? centre : mean);
    });
  }

 private:
  SHOAL_HD void store(const Block& block, int lane, T value) const {
    if (this->column(block, lane) < this->rows.columns()) this->out[this->column(block, lane)] = value;
  }

  SHOAL_HD static T median(const Shared& shared, int column, std::int64_t n) {
    return middle(shared.value[(n - 1) / 2][column], shared.value[n / 2][column]);
  }

  // Batcher's merge exchange (Knuth, volume 3, 5.2.2, algorithm M); no two comparators of a phase share a value.
  SHOAL_HD static void sort(const Block& block, Shared& shared, std::int64_t n) {
    std::int64_t top = 1;
    while (2 * top < n) top *= 2;
    for (std::int64_t p = top; p > 0; p /= 2) {
      std::int64_t q = top, r = 0, d = p;
      while (true) {
        block.each([&](int lane) {
          const int column = lane % block_columns;
          for (std::int64_t i = lane / block_columns; i + d < n; i += column_lanes) {
            if ((i & p) != r) continue;
            const T a = shared.value[i][column], b = shared.value[i + d][column];
            if (b < a) {
              shared.value[i][column] = b;
              shared.value[i + d][column] = a;
            }
          }
        });
        if (q == p) break;
        d = q - p;
        q /= 2;
        r = p;
      }
    }
  }

  // The i-th smallest value is dropped if it is farther from the median than the large value that would be dropped
  // instead of it.
  SHOAL_HD std::int64_t farthest(const Shared& shared, int column, std::int64_t n) const {
    const T centre = median(shared, column, n);
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < this->dropped; ++i)
      count += centre - shared.value[i][column] > shared.value[i + n - this->dropped][column] - centre;
    return count;
  }
};

/// Selects ranks of the columns; for any number of rows.
template <class T>
struct SelectColumns : Columns<T> {
  static constexpr int lanes = block_columns * column_lanes;
  static constexpr int digit_bits = 7;
  using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  struct Shared {
    std::int32_t bin[2][1 << digit_bits][block_columns];
    Key key[2][block_columns];            // digits found so far
    std::int64_t rank[2][block_columns];  // rank among the values that share these digits
    T centre[block_columns];
    std::int32_t lower[block_columns], upper[block_columns];
    WindowSums<T> window;
  };

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const std::int64_t n = this->rows.rows();
    const auto plain = [&](std::int64_t i, int lane) { return key_of(this->value(i, this->column(block, lane))); };
    if (this->statistic == Statistic::trimmed_mean) {
      select(block, shared, plain, this->dropped, n - 1 - this->dropped);
      return finish(block, shared, this->dropped);
    }
    select(block, shared, plain, (n - 1) / 2, n / 2);
    block.each([&](int lane) {
      if (lane >= block_columns) return;
      shared.centre[lane] = middle(value_of(shared.key[0][lane]), value_of(shared.key[1][lane]));
      if (this->statistic == Statistic::median) store(block, lane, shared.centre[lane]);
    });
    if (this->statistic == Statistic::median) return;
    around(block, shared);
  }

 private:
  SHOAL_HD static constexpr Key sign() { return Key{1} << (8 * sizeof(T) - 1); }
  SHOAL_HD static Key key_of(T x) {
    const Key bits = std::bit_cast<Key>(x);
    return bits & sign() ? ~bits : bits | sign();
  }
  SHOAL_HD static T value_of(Key key) { return std::bit_cast<T>(key & sign() ? key ^ sign() : ~key); }

  SHOAL_HD void store(const Block& block, int lane, T value) const {
    if (this->column(block, lane) < this->rows.columns()) this->out[this->column(block, lane)] = value;
  }

  SHOAL_HD T distance(const Shared& shared, T x, int lane) const {
    const T centre = shared.centre[lane % block_columns];
    return x < centre ? centre - x : x - centre;
  }

  template <class KeyOf>
  SHOAL_HD void select(const Block& block, Shared& shared, const KeyOf& key_at, std::int64_t first,
                       std::int64_t second) const {
    block.each([&](int lane) {
      if (lane >= block_columns) return;
      shared.rank[0][lane] = first;
      shared.rank[1][lane] = second;
    });
    select(block, shared, key_at);
  }

  /// Replaces the ranks by keys, from the highest digit to the lowest.
  template <class KeyOf>
  SHOAL_HD void select(const Block& block, Shared& shared, const KeyOf& key_at) const {
    block.each([&](int lane) {
      if (lane < 2 * block_columns) shared.key[lane / block_columns][lane % block_columns] = 0;
    });
    for (int done = 8 * sizeof(T); done > 0;) {
      const int shift = done > digit_bits ? done - digit_bits : 0;
      const Key digits = (Key{1} << (done - shift)) - 1;
      block.each([&](int lane) {
        for (int b = lane / block_columns; b < 2 << digit_bits; b += column_lanes)
          shared.bin[b >> digit_bits][b & ((1 << digit_bits) - 1)][lane % block_columns] = 0;
      });
      block.each([&](int lane) {
        const int column = lane % block_columns;
        for (std::int64_t i = lane / block_columns; i < this->rows.rows(); i += column_lanes) {
          const Key key = key_at(i, lane);
          for (int t = 0; t < 2; ++t) {
            // Two shifts, because one shift by the full width is undefined.
            if ((key ^ shared.key[t][column]) >> (done - 1) >> 1 == 0)
              Block::add(shared.bin[t][key >> shift & digits][column], 1);
          }
        }
      });
      block.each([&](int lane) {
        if (lane >= 2 * block_columns) return;
        const int t = lane / block_columns, column = lane % block_columns;
        std::int64_t rank = shared.rank[t][column];
        Key digit = 0;
        for (; digit < digits && rank >= shared.bin[t][digit][column]; ++digit) rank -= shared.bin[t][digit][column];
        shared.rank[t][column] = rank;
        shared.key[t][column] |= digit << shift;
      });
      done = shift;
    }
  }

  SHOAL_HD void around(const Block& block, Shared& shared) const {
    const std::int64_t n = this->rows.rows(), last_kept = n - 1 - this->dropped;
    const auto far = [&](std::int64_t i, int lane) {
      return std::bit_cast<Key>(distance(shared, this->value(i, this->column(block, lane)), lane));
    };
    select(block, shared, far, last_kept, last_kept);
    block.each([&](int lane) {
      if (lane < block_columns) shared.lower[lane] = shared.upper[lane] = 0;
    });
    // All values beyond the last distance that is kept are dropped; of those at that distance the upper ones first.
    block.each([&](int lane) {
      const int column = lane % block_columns;
      const Key limit = shared.key[0][column];
      for (std::int64_t i = lane / block_columns; i < n; i += column_lanes) {
        const bool is_below = this->value(i, this->column(block, lane)) < shared.centre[column];
        const Key key = far(i, lane);
        if (is_below ? key > limit : key >= limit)
          Block::add(is_below ? shared.lower[column] : shared.upper[column], 1);
      }
    });
    block.each([&](int lane) {
      if (lane >= block_columns) return;
      const std::int64_t rest = this->dropped - shared.upper[lane];
      const std::int64_t below = rest > shared.lower[lane] ? rest : shared.lower[lane];
      shared.lower[lane] = below;
      shared.rank[0][lane] = below;
      shared.rank[1][lane] = below + last_kept;
    });
    select(block, shared, [&](std::int64_t i, int lane) { return key_of(this->value(i, this->column(block, lane))); });
    finish(block, shared, -1);
  }

  /// The mean of the values from the first key to the second; `below` values are below them, or shared.lower if `below`
  /// is negative.
  SHOAL_HD void finish(const Block& block, Shared& shared, std::int64_t below) const {
    auto& window = shared.window;
    const std::int64_t n = this->rows.rows();
    const std::int64_t kept = n - (below < 0 ? 1 : 2) * this->dropped;
    block.each([&](int lane) {
      if (lane >= block_columns) return;
      window.first[lane] = value_of(shared.key[0][lane]);
      window.last[lane] = value_of(shared.key[1][lane]);
      window.below[lane] = below < 0 ? shared.lower[lane] : below;
    });
    block.each([&](int lane) {
      const int column = lane % block_columns, part = lane / block_columns;
      const Unit<T> unit = window.unit(column, n);
      const T first = window.first[column], last = window.last[column];
      typename Unit<T>::Parts sum;
      for (std::int64_t i = part; i < n; i += column_lanes) {
        T x = this->value(i, this->column(block, lane));
        if (last < x) x = last;
        if (x < first) x = first;
        sum.add(unit.parts(x), 1);
      }
      if (part == 0) {
        sum.add(unit.parts(first), -1.0 * window.below[column]);
        sum.add(unit.parts(last), -1.0 * (n - kept - window.below[column]));
      }
      window.parts[part][column] = sum;
    });
    block.each([&](int lane) {
      if (lane >= block_columns) return;
      const T mean = window.mean(lane, n, kept);
      store(block, lane, below < 0 && !is_finite(shared.centre[lane]) ? shared.centre[lane] : mean);
    });
  }
};

}  // namespace shoal::order
