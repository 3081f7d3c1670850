#include "kernels/device_rows.hpp"

#include <cmath>
#include <limits>

namespace shoal {
namespace {

template <class T>
struct ScanRow {
  static constexpr int lanes = 256;
  struct Shared {
    double most[lanes];
  };
  RowView<const T> rows;
  RowRange* out;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const T* x = rows.at(block.index());
    const double infinity = std::numeric_limits<double>::infinity();
    block.each([&](int lane) {
      double most = 0;
      for (std::int64_t i = lane; i < rows.columns(); i += lanes) {
        const double magnitude = x[i] < 0 ? -static_cast<double>(x[i]) : static_cast<double>(x[i]);
        if (!(magnitude < infinity)) most = infinity;  // the form that NaN fails
        if (magnitude > most) most = magnitude;
      }
      shared.most[lane] = most;
    });
    for (int width = lanes / 2; width > 0; width /= 2) {
      block.each([&](int lane) {
        if (lane < width && shared.most[lane + width] > shared.most[lane])
          shared.most[lane] = shared.most[lane + width];
      });
    }
    block.each([&](int lane) {
      if (lane > 0) return;
      out[block.index()].max_abs = shared.most[0];
      out[block.index()].finite = shared.most[0] < infinity;
    });
  }
};

// The chunks and lanes of the host's norm, so that its bits come out.
constexpr std::int64_t chunk_size = 4096;
std::int64_t chunks_of(std::int64_t columns) { return (columns + chunk_size - 1) / chunk_size; }

template <class T>
struct ChunkOfSquares {
  static constexpr int lanes = 16;
  struct Shared {
    double sums[lanes];
  };
  RowView<const T> rows;
  std::int64_t chunks;
  double* out;  // [rows, chunks]

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const std::int64_t first = block.index() % chunks * chunk_size;
    const std::int64_t last = first + chunk_size < rows.columns() ? first + chunk_size : rows.columns();
    const T* x = rows.at(block.index() / chunks);
    block.each([&](int lane) {
      double sum = 0;
      for (std::int64_t i = first + lane; i < last; i += lanes) {
        sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      }
      shared.sums[lane] = sum;
    });
    for (int width = lanes / 2; width > 0; width /= 2) {
      block.each([&](int lane) {
        if (lane < width) shared.sums[lane] += shared.sums[lane + width];
      });
    }
    block.each([&](int lane) {
      if (lane == 0) out[block.index()] = shared.sums[0];
    });
  }
};

struct NormOfChunks {
  std::int64_t chunks;
  const double* sums;
  double* out;

  SHOAL_HD void operator()(std::int64_t row) const {
    double sum = 0;
    for (std::int64_t c = 0; c < chunks; ++c) sum += sums[row * chunks + c];
    out[row] = sqrt(sum);
  }
};

template <class T>
struct MultiplyRow {
  RowView<T> rows;
  const double* factors;

  SHOAL_HD void operator()(const Row& row) const {
    T* x = rows.at(row.index());
    const T factor = static_cast<T>(factors[row.index()]);
    row.each(rows.columns(), [&](std::int64_t i) { x[i] *= factor; });
  }
};

template <class T>
struct AddRows {
  std::int64_t* sum;
  RowView<const T> rows;
  const std::int64_t* weights;
  double unit;

  SHOAL_HD void operator()(std::int64_t i) const {
    std::int64_t total = sum[i];
    for (std::int64_t k = 0; k < rows.rows(); ++k) {
      if (weights[k] == 0) continue;
      total += static_cast<std::int64_t>(rint(static_cast<double>(rows.at(k)[i]) * unit)) * weights[k];
    }
    sum[i] = total;
  }
};

template <class T>
struct MeanOfSums {
  const std::int64_t* sum;
  double unit, total_weight;
  T* out;

  SHOAL_HD void operator()(std::int64_t i) const {
    out[i] = static_cast<T>(static_cast<double>(sum[i]) * unit / total_weight);
  }
};

}  // namespace

template <class T>
void scan_rows(OnDevice device, RowView<const T> rows, RowRange* out) {
  run_blocks(device, rows.rows(), ScanRow<T>{rows, out});
}

template <class T>
void norms_of_rows(OnDevice device, RowView<const T> rows, double* out) {
  const std::int64_t chunks = chunks_of(rows.columns());
  DeviceArray<double> sums(device, static_cast<std::size_t>(rows.rows() * chunks));
  run_blocks(device, rows.rows() * chunks, ChunkOfSquares<T>{rows, chunks, sums.data()});
  run_elements(device, rows.rows(), NormOfChunks{chunks, sums.data(), out});
}

template <class T>
void multiply_rows(OnDevice device, RowView<T> rows, const double* factors) {
  run_rows(device, rows.rows(), MultiplyRow<T>{rows, factors});
}

template <class T>
void add_rows(OnDevice device, std::int64_t* sum, RowView<const T> rows, const std::int64_t* weights, int exponent) {
  run_elements(device, rows.columns(), AddRows<T>{sum, rows, weights, std::ldexp(1.0, exponent)});
}

template <class T>
void mean_of_sums(OnDevice device, const std::int64_t* sum, std::int64_t count, int exponent, double total_weight,
                  T* out) {
  run_elements(device, count, MeanOfSums<T>{sum, std::ldexp(1.0, -exponent), total_weight, out});
}

#define SHOAL_INSTANTIATE(T)                                                                      \
  template void scan_rows<T>(OnDevice, RowView<const T>, RowRange*);                              \
  template void norms_of_rows<T>(OnDevice, RowView<const T>, double*);                            \
  template void multiply_rows<T>(OnDevice, RowView<T>, const double*);                            \
  template void add_rows<T>(OnDevice, std::int64_t*, RowView<const T>, const std::int64_t*, int); \
  template void mean_of_sums<T>(OnDevice, const std::int64_t*, std::int64_t, int, double, T*);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
