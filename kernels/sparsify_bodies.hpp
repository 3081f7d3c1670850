#pragma once
// Arithmetic that the host and device forms of sparsification share, and the bodies of the device forms.

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/launch.hpp"
#include "kernels/sparsify.hpp"
#include "kernels/view.hpp"

namespace shoal::sparse {

/// A key that orders as magnitudes do.
SHOAL_HD constexpr std::uint32_t key_of(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7fffffffu; }
inline constexpr std::uint32_t key_of_infinity = 0x7f800000u;

/// product = rint(value * scale) * weight. Returns false if it does not fit.
SHOAL_HD inline bool fixed_product(double value, double scale, std::int64_t weight, std::int64_t& product) {
  const double scaled = std::rint(value * scale), factor = weight;
  // Below this limit the exact product is below 2^63, whatever the errors of these two roundings; NaN fails.
  if (!(std::fabs(scaled) < 0x1p63 && std::fabs(scaled) * std::fabs(factor) < 0x1.ffffffffffffcp62)) return false;
  product = static_cast<std::int64_t>(scaled) * weight;
  return true;
}

inline constexpr int lanes = 256;
inline constexpr int lane_values = 16;
inline constexpr std::int64_t chunk = lanes * lane_values;
inline constexpr int digit_bits = 11;
inline constexpr int bins = 1 << digit_bits;

/// The search for a row's k-th largest key: the digits found so far, and its rank among the keys that share them. At
/// the end `key` is the threshold, and rank + 1 of the keys equal to it are selected.
struct RowSearch {
  std::uint32_t key = 0;
  std::int64_t rank = 0;
};

/// Blocks are chunks of rows, row by row.
struct Chunks {
  RowView<const float> rows;
  std::int64_t per_row;

  SHOAL_HD std::int64_t row(const Block& block) const { return block.index() / per_row; }
  SHOAL_HD std::int64_t begin(const Block& block) const { return block.index() % per_row * chunk; }
  SHOAL_HD std::int64_t end(const Block& block) const {
    const std::int64_t end = begin(block) + chunk;
    return end < rows.columns() ? end : rows.columns();
  }
};

/// Adds to histogram[row] the digits below bit `done` of the keys that share the digits above. Adds `update` to the
/// rows first, if there is one.
struct CountDigits : Chunks {
  static constexpr int lanes = sparse::lanes;
  struct Shared {
    std::int32_t bin[bins];
  };
  RowView<float> memory;  // the same rows, if there is an update
  RowView<const float> update;
  int done, shift;
  const RowSearch* search;
  std::int32_t* histogram;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const std::int64_t k = row(block);
    block.each([&](int lane) {
      for (int b = lane; b < bins; b += lanes) shared.bin[b] = 0;
    });
    block.each([&](int lane) {
      for (std::int64_t i = begin(block) + lane; i < end(block); i += lanes) {
        if (update.data() != nullptr) memory.at(k)[i] += update.at(k)[i];
        const std::uint32_t key = key_of(rows.at(k)[i]);
        if ((key ^ search[k].key) >> done == 0) Block::add(shared.bin[key >> shift & ((1u << (done - shift)) - 1)], 1);
      }
    });
    block.each([&](int lane) {
      for (int b = lane; b < bins; b += lanes)
        if (shared.bin[b] != 0) Block::add(histogram[k * bins + b], shared.bin[b]);
    });
  }
};

/// Finds the digit of the wanted key from a row's histogram, largest first, and clears the histogram.
struct FindDigit {
  static constexpr int lanes = sparse::lanes;
  static constexpr int lane_bins = bins / lanes;
  struct Shared {
    std::int64_t sum[lanes];
  };
  int shift;
  RowSearch* search;
  std::int32_t* histogram;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    std::int32_t* bin = histogram + block.index() * bins;
    block.each([&](int lane) {
      shared.sum[lane] = 0;
      for (int b = 0; b < lane_bins; ++b) shared.sum[lane] += bin[lane * lane_bins + b];
    });
    block.each([&](int lane) {
      if (lane != 0) return;
      RowSearch found = search[block.index()];
      int group = lanes - 1;
      for (; group > 0 && found.rank >= shared.sum[group]; --group) found.rank -= shared.sum[group];
      int digit = (group + 1) * lane_bins - 1;
      for (; digit > group * lane_bins && found.rank >= bin[digit]; --digit) found.rank -= bin[digit];
      found.key |= digit << shift;
      search[block.index()] = found;
    });
    block.each([&](int lane) {
      for (int b = lane; b < bins; b += lanes) bin[b] = 0;
    });
  }
};

/// The number of keys above and at the threshold in a part of a row.
struct Tally {
  std::int64_t above = 0, equal = 0;
  SHOAL_HD void add(const Tally& other) {
    above += other.above;
    equal += other.equal;
  }
  SHOAL_HD void count(std::uint32_t key, std::uint32_t threshold) {
    above += key > threshold;
    equal += key == threshold;
  }
};

/// A tally per chunk; per_chunk [rows, chunks].
struct CountSelected : Chunks {
  static constexpr int lanes = sparse::lanes;
  struct Shared {
    Tally tally[lanes];
  };
  const RowSearch* search;
  Tally* per_chunk;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    block.each([&](int lane) {
      const std::int64_t k = row(block);
      Tally tally;
      for (std::int64_t i = begin(block) + lane; i < end(block); i += lanes)
        tally.count(key_of(rows.at(k)[i]), search[k].key);
      shared.tally[lane] = tally;
    });
    for (int width = lanes / 2; width > 0; width /= 2)
      block.each([&](int lane) {
        if (lane < width) shared.tally[lane].add(shared.tally[lane + width]);
      });
    block.each([&](int lane) {
      if (lane == 0) per_chunk[block.index()] = shared.tally[0];
    });
  }
};

/// Replaces the tallies of a row's chunks by the sums of those before them; a block per row. counts [rows], if not
/// null, receives the number of selected keys of each row.
struct SumBefore {
  static constexpr int lanes = sparse::lanes;
  struct Shared {
    Tally before[lanes];
  };
  std::int64_t chunks;
  Tally* per_chunk;
  std::int64_t* counts;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    Tally* tallies = per_chunk + block.index() * chunks;
    const std::int64_t each = (chunks + lanes - 1) / lanes;
    const auto end = [&](int lane) { return (lane + 1) * each < chunks ? (lane + 1) * each : chunks; };
    block.each([&](int lane) {
      shared.before[lane] = {};
      for (std::int64_t c = lane * each; c < end(lane); ++c) shared.before[lane].add(tallies[c]);
    });
    block.each([&](int lane) {
      if (lane != 0) return;
      Tally sum;
      for (int l = 0; l < lanes; ++l) {
        const Tally own = shared.before[l];
        shared.before[l] = sum;
        sum.add(own);
      }
      if (counts != nullptr) counts[block.index()] = sum.above + sum.equal;
    });
    block.each([&](int lane) {
      Tally sum = shared.before[lane];
      for (std::int64_t c = lane * each; c < end(lane); ++c) {
        const Tally own = tallies[c];
        tallies[c] = sum;
        sum.add(own);
      }
    });
  }
};

/// Writes, in order, the indices of the keys above the threshold and of the first rank + 1 keys at it.
struct WriteSelected : Chunks {
  static constexpr int lanes = sparse::lanes;
  static constexpr int group = 16;
  struct Shared {
    std::uint32_t key[chunk];
    Tally lane[lanes], group_sum[lanes / group];
  };
  const RowSearch* search;
  const Tally* per_chunk;
  std::int64_t room;  // number of indices that fit in each row
  std::uint32_t* indices;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const std::int64_t k = row(block), first = begin(block), size = end(block) - first;
    const RowSearch wanted = search[k];
    block.each([&](int lane) {
      for (std::int64_t i = lane; i < size; i += lanes) shared.key[i] = key_of(rows.at(k)[first + i]);
    });
    const auto last = [&](int lane) { return (lane + 1) * lane_values < size ? (lane + 1) * lane_values : size; };
    block.each([&](int lane) {
      Tally tally;
      for (std::int64_t i = lane * lane_values; i < last(lane); ++i) tally.count(shared.key[i], wanted.key);
      shared.lane[lane] = tally;
    });
    block.each([&](int lane) {
      if (lane >= lanes / group) return;
      Tally sum;
      for (int l = 0; l < group; ++l) sum.add(shared.lane[lane * group + l]);
      shared.group_sum[lane] = sum;
    });
    block.each([&](int lane) {
      Tally before = per_chunk[block.index()];
      for (int g = 0; g < lane / group; ++g) before.add(shared.group_sum[g]);
      for (int l = lane / group * group; l < lane; ++l) before.add(shared.lane[l]);
      const std::int64_t ties = wanted.rank + 1;
      for (std::int64_t i = lane * lane_values; i < last(lane); ++i) {
        const std::uint32_t key = shared.key[i];
        const bool selected = key > wanted.key || (key == wanted.key && before.equal < ties);
        const std::int64_t place = before.above + (before.equal < ties ? before.equal : ties);
        if (selected && place < room) indices[k * room + place] = first + i;
        before.count(key, wanted.key);
      }
    });
  }
};

/// Sets the search of every row to its start.
struct SetSearch {
  RowSearch start;
  RowSearch* search;
  SHOAL_HD void operator()(std::int64_t k) const { search[k] = start; }
};

/// Element j of [rows, k].
struct Gather {
  RowView<const float> rows;
  RowView<float> cleared;  // the same rows if taken values become 0; otherwise empty
  std::int64_t k;
  const std::uint32_t* indices;
  float* values;
  SHOAL_HD void operator()(std::int64_t j) const {
    values[j] = rows.at(j / k)[indices[j]];
    if (cleared.data() != nullptr) cleared.at(j / k)[indices[j]] = 0;
  }
};

struct ScatterAdd {
  std::int64_t* sum;
  std::int64_t d;
  const std::uint32_t* indices;
  const float* values;
  std::int64_t weight;
  double scale;
  std::int32_t* failed;
  SHOAL_HD void operator()(std::int64_t j) const {
    std::int64_t product = 0;
    if (indices[j] >= d || !fixed_product(values[j], scale, weight, product)) {
      *failed = 1;
      return;
    }
    Block::add(sum[indices[j]], product);
  }
};

template <class T>
struct ScatterAddRows {
  std::int64_t* sum;
  std::int64_t d;
  SparseView<T> rows;
  const std::int64_t* weights;
  double scale;
  std::int64_t* bad_row;
  SHOAL_HD void operator()(const Row& row) const {
    const std::int64_t k = row.index(), first = rows.starts[k], weight = weights[k];
    if (weight == 0) return;
    row.each(rows.starts[k + 1] - first, [&](std::int64_t j) {
      const std::uint32_t index = rows.indices[first + j];
      std::int64_t product = 0;
      if (index >= d || !fixed_product(rows.values[first + j], scale, weight, product)) {
        Block::lower(*bad_row, k);
        return;
      }
      Block::add(sum[index], product);
    });
  }
};

}  // namespace shoal::sparse
