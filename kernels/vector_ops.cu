// Device forms of the vector operations, on [K, d].

#include <cmath>
#include <stdexcept>

#include "kernels/device.hpp"
#include "kernels/row_tiles.hpp"
#include "kernels/vector_bodies.hpp"

namespace shoal {
namespace {

template <class T, class U>
void require_shape(const char* what, RowView<T> rows, RowView<U> expected) {
  require_size(what, rows.rows(), expected.rows());
  require_size(what, rows.columns(), expected.columns());
}

// Sums of squares of some chunks of one row, a warp per chunk.
template <class T>
struct ChunksOfSquares {
  static constexpr int lanes = 256;
  static constexpr std::int64_t chunks_at_once = lanes / norm_lanes;
  struct Shared {
    double sum[lanes];
  };

  RowView<const T> rows;
  std::int64_t chunks, blocks;  // per row
  double* out;                  // [K, chunks]

  SHOAL_HD void operator()(Block block, Shared& shared) const {
    const std::int64_t row = block.index() / blocks, first = (block.index() % blocks) * chunks_at_once;
    const T* x = rows.at(row);
    block.each([&](int lane) {
      const std::int64_t begin = (first + lane / norm_lanes) * norm_chunk;
      const std::int64_t end = begin + norm_chunk < rows.columns() ? begin + norm_chunk : rows.columns();
      double sum = 0;
      for (std::int64_t i = begin + lane % norm_lanes; i < end; i += norm_lanes) sum += square(x[i]);
      shared.sum[lane] = sum;
    });
    for (std::int64_t width = norm_lanes / 2; width > 0; width /= 2)
      block.each([&](int lane) {
        if (lane % norm_lanes < width) shared.sum[lane] += shared.sum[lane + width];
      });
    block.each([&](int lane) {
      const std::int64_t chunk = first + lane / norm_lanes;
      if (lane % norm_lanes == 0 && chunk < chunks) out[row * chunks + chunk] = shared.sum[lane];
    });
  }
};

struct Norm {
  const double* squares;
  std::int64_t chunks;
  double* out;
  SHOAL_HD void operator()(std::int64_t k) const {
    double sum = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) sum += squares[k * chunks + chunk];
    out[k] = std::sqrt(sum);
  }
};

template <class T>
struct Scale {
  RowView<T> rows;
  const double* factors;
  SHOAL_HD void operator()(std::int64_t k, std::int64_t i) const {
    const T factor = factors[k];
    rows.at(k)[i] *= factor;
  }
};

template <class T>
struct Clip {
  RowView<T> rows;
  double bound;
  const double* norms;
  SHOAL_HD void operator()(std::int64_t k, std::int64_t i) const {
    if (norms[k] > bound) rows.at(k)[i] *= clip_factor<T>(norms[k], bound);
  }
};

template <class T>
struct Axpy {
  RowView<T> y;
  T factor;
  RowView<const T> x;
  SHOAL_HD void operator()(std::int64_t k, std::int64_t i) const { y.at(k)[i] += factor * x.at(k)[i]; }
};

template <class T>
struct Add {
  RowView<T> y;
  RowView<const T> x;
  SHOAL_HD void operator()(std::int64_t k, std::int64_t i) const { y.at(k)[i] += x.at(k)[i]; }
};

template <class T>
struct WeightedSum {
  static constexpr int in_flight = 8;  // rows whose loads a thread starts before it uses the first

  T* sum;
  RowView<const T> rows;
  const double* weights;

  SHOAL_HD void operator()(std::int64_t i) const {
    T total = sum[i];
    std::int64_t k = 0;
    for (; k + in_flight <= rows.rows(); k += in_flight) {
      T x[in_flight];
      for (int j = 0; j < in_flight; ++j) x[j] = rows.at(k + j)[i];
      for (int j = 0; j < in_flight; ++j) total += static_cast<T>(weights[k + j]) * x[j];
    }
    for (; k < rows.rows(); ++k) total += static_cast<T>(weights[k]) * rows.at(k)[i];
    sum[i] = total;
  }
};

template <class Terms, class T>
struct Sgd {
  RowView<T> y;
  RowView<const T> g;
  SgdRows<T> step;
  SgdFactors<T> factors;  // all but the rate, which differs between rows

  SHOAL_HD void operator()(std::int64_t k, std::int64_t i) const {
    if (step.rates[k] == 0) return;
    SgdFactors<T> own = factors;
    own.rate = step.rates[k];
    sgd_value<Terms>(own, y.at(k), g.at(k), step.anchor.at(k), step.shift.at(k), step.buffer.at(k), i);
  }
};

}  // namespace

template <class T>
void norms(OnDevice device, RowView<const T> rows, double* out) {
  const std::int64_t chunks = (rows.columns() + norm_chunk - 1) / norm_chunk;
  constexpr std::int64_t at_once = ChunksOfSquares<T>::chunks_at_once;
  const std::int64_t blocks = (chunks + at_once - 1) / at_once;
  DeviceArray<double> squares(device, rows.rows() * chunks);
  run_blocks(device, rows.rows() * blocks, ChunksOfSquares<T>{rows, chunks, blocks, squares.data()});
  run_elements(device, rows.rows(), Norm{squares.data(), chunks, out});
}

template <class T>
void scale_rows(OnDevice device, RowView<T> rows, const double* factors) {
  run_over_rows(device, rows.rows(), rows.columns(), Scale<T>{rows, factors});
}

template <class T>
void clip_rows(OnDevice device, RowView<T> rows, double bound, double* norms_out) {
  require_clipping_bound(bound);
  norms<T>(device, rows, norms_out);
  run_over_rows(device, rows.rows(), rows.columns(), Clip<T>{rows, bound, norms_out});
}

template <class T>
void axpy(OnDevice device, RowView<T> y, double a, RowView<const T> x) {
  require_shape("x", x, y);
  const T factor = a;
  run_over_rows(device, y.rows(), y.columns(), Axpy<T>{y, factor, x});
}

template <class T>
void add(OnDevice device, RowView<T> y, RowView<const T> x) {
  require_shape("x", x, y);
  run_over_rows(device, y.rows(), y.columns(), Add<T>{y, x});
}

template <class T>
void weighted_sum_inexact(OnDevice device, T* sum, RowView<const T> rows, const double* weights) {
  run_elements(device, rows.columns(), WeightedSum<T>{sum, rows, weights});
}

template <class T>
void sgd_step(OnDevice device, RowView<T> y, RowView<const T> g, const SgdRows<T>& step) {
  require_shape("gradient", g, y);
  const bool anchor = step.anchor.data() != nullptr, shift = step.shift.data() != nullptr;
  const bool buffer = step.buffer.data() != nullptr;
  if (anchor) require_shape("anchor", step.anchor, y);
  if (shift) require_shape("shift", step.shift, y);
  if (buffer) require_shape("momentum buffer", step.buffer, y);
  const T decay = step.decay, pull = step.pull, momentum = step.momentum;
  const SgdFactors<T> factors{T{}, decay, pull, momentum};
  with_terms(anchor, shift, momentum_of(buffer, step.nesterov), [&]<class Terms>(Terms) {
    run_over_rows(device, y.rows(), y.columns(), Sgd<Terms, T>{y, g, step, factors});
  });
}

#define SHOAL_INSTANTIATE(T)                                                            \
  template void norms<T>(OnDevice, RowView<const T>, double*);                          \
  template void scale_rows<T>(OnDevice, RowView<T>, const double*);                     \
  template void clip_rows<T>(OnDevice, RowView<T>, double, double*);                    \
  template void axpy<T>(OnDevice, RowView<T>, double, RowView<const T>);                \
  template void add<T>(OnDevice, RowView<T>, RowView<const T>);                         \
  template void weighted_sum_inexact<T>(OnDevice, T*, RowView<const T>, const double*); \
  template void sgd_step<T>(OnDevice, RowView<T>, RowView<const T>, const SgdRows<T>&);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
