// Device form of the exact sum: a thread owns coordinates and adds the rows to them in integers.

#include <cmath>

#include "kernels/device.hpp"
#include "kernels/fixed_point_bodies.hpp"

namespace shoal {
namespace {

// Largest magnitude of a piece of a row; pieces are combined by an integer maximum, in any order.
template <class T>
struct LargestOfPiece {
  static constexpr int lanes = 256;
  static constexpr std::int64_t piece = 32 * lanes;
  struct Shared {
    Bits<T> largest[lanes];
  };

  RowView<const T> rows;
  std::int64_t pieces;
  Bits<T>* out;

  SHOAL_HD void operator()(Block block, Shared& shared) const {
    const std::int64_t row = block.index() / pieces, begin = (block.index() % pieces) * piece;
    const std::int64_t end = begin + piece < rows.columns() ? begin + piece : rows.columns();
    const T* x = rows.at(row);
    block.each([&](int lane) {
      Bits<T> largest = 0;
      for (std::int64_t i = begin + lane; i < end; i += lanes) {
        const Bits<T> bits = magnitude(x[i]);
        if (bits > largest) largest = bits;
      }
      shared.largest[lane] = largest;
    });
    for (int width = lanes / 2; width > 0; width /= 2)
      block.each([&](int lane) {
        if (lane < width && shared.largest[lane + width] > shared.largest[lane])
          shared.largest[lane] = shared.largest[lane + width];
      });
    block.each([&](int lane) {
      if (lane == 0) Block::raise(out[row], shared.largest[0]);
    });
  }
};

template <class T>
struct ToRange {
  const Bits<T>* largest;
  RowRange* out;
  SHOAL_HD void operator()(std::int64_t k) const { out[k] = range_of<T>(largest[k]); }
};

constexpr double too_large = 0x1p63;

// The largest |q| whose product with the weight fits: one division per row instead of one per value.
struct LargestFactor {
  const std::int64_t* weights;
  std::int64_t* out;
  SHOAL_HD void operator()(std::int64_t k) const {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const std::int64_t weight = weights[k];
    out[k] = most;
    if (weight == 0) return;
    // The weight -2^63 has no magnitude; only q = 0 fits it.
    out[k] = weight == std::numeric_limits<std::int64_t>::min() ? 0 : most / (weight < 0 ? -weight : weight);
  }
};

template <class T>
struct AddRows {
  static constexpr int in_flight = 8;  // rows whose loads a thread starts before it uses the first

  std::int64_t* sum;
  RowView<const T> rows;
  const std::int64_t* weights;
  const std::int64_t* largest_factors;
  double scale;
  std::int64_t* bad_row;

  SHOAL_HD void operator()(std::int64_t i) const {
    std::uint64_t total = sum[i];
    std::int64_t bad = no_row;
    std::int64_t k = 0;
    for (; k + in_flight <= rows.rows(); k += in_flight) {
      T x[in_flight];
      for (int j = 0; j < in_flight; ++j) x[j] = rows.at(k + j)[i];
      for (int j = 0; j < in_flight; ++j) add(total, bad, x[j], k + j);
    }
    for (; k < rows.rows(); ++k) add(total, bad, rows.at(k)[i], k);
    sum[i] = total;
    if (bad != no_row) Block::lower(*bad_row, bad);
  }

  SHOAL_HD void add(std::uint64_t& total, std::int64_t& bad, T x, std::int64_t k) const {
    if (weights[k] == 0) return;
    const double rounded = std::rint(x * scale);
    const bool is_integer = std::abs(rounded) < too_large;  // not if it is NaN
    const std::int64_t q = is_integer ? static_cast<std::int64_t>(rounded) : 0;
    if (!is_integer || (q < 0 ? -q : q) > largest_factors[k]) {
      if (k < bad) bad = k;
      return;
    }
    total += static_cast<std::uint64_t>(q) * weights[k];
  }
};

template <class T>
struct ToMean {
  const std::int64_t* sum;
  double unit, total_weight;
  T* out;
  SHOAL_HD void operator()(std::int64_t i) const { out[i] = mean_value<T>(sum[i], unit, total_weight); }
};

}  // namespace

template <class T>
void scan_rows(OnDevice device, RowView<const T> rows, RowRange* out) {
  DeviceArray<Bits<T>> largest(device, rows.rows());
  largest.zero();
  constexpr std::int64_t piece = LargestOfPiece<T>::piece;
  const std::int64_t pieces = (rows.columns() + piece - 1) / piece;
  run_blocks(device, rows.rows() * pieces, LargestOfPiece<T>{rows, pieces, largest.data()});
  run_elements(device, rows.rows(), ToRange<T>{largest.data(), out});
}

template <class T>
void accumulate_rows(OnDevice device, std::int64_t* sum, RowView<const T> rows, const std::int64_t* weights,
                     int exponent, std::int64_t* bad_row) {
  const double scale = power_of_two(exponent);
  DeviceArray<std::int64_t> largest_factors(device, rows.rows());
  run_elements(device, rows.rows(), LargestFactor{weights, largest_factors.data()});
  run_elements(device, rows.columns(), AddRows<T>{sum, rows, weights, largest_factors.data(), scale, bad_row});
}

template <class T>
void to_mean(OnDevice device, const std::int64_t* sum, std::int64_t size, int exponent, double total_weight, T* out) {
  require_total_weight(total_weight);
  run_elements(device, size, ToMean<T>{sum, power_of_two(-exponent), total_weight, out});
}

#define SHOAL_INSTANTIATE(T)                                                                            \
  template void scan_rows<T>(OnDevice, RowView<const T>, RowRange*);                                    \
  template void accumulate_rows<T>(OnDevice, std::int64_t*, RowView<const T>, const std::int64_t*, int, \
                                   std::int64_t*);                                                      \
  template void to_mean<T>(OnDevice, const std::int64_t*, std::int64_t, int, double, T*);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
