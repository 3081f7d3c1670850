#include "kernels/vector_ops.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/vector_bodies.hpp"

namespace shoal {
namespace {

// Coordinates whose sums stay in the first-level cache, and rows that share one load and store of them.
constexpr std::size_t sum_tile = 8192, sum_group = 8;

template <class T>
double chunk_of_squares(const T* x, std::int64_t n) {
  double lane[norm_lanes] = {};
  const std::int64_t whole = n - n % norm_lanes;
  for (std::int64_t i = 0; i < whole; i += norm_lanes)
    for (std::int64_t l = 0; l < norm_lanes; ++l) lane[l] += square(x[i + l]);
  for (std::int64_t i = whole; i < n; ++i) lane[i - whole] += square(x[i]);
  for (std::int64_t width = norm_lanes / 2; width > 0; width /= 2)
    for (std::int64_t l = 0; l < width; ++l) lane[l] += lane[l + width];
  return lane[0];
}

template <class T>
void scale(std::span<T> row, T factor) {
  for (T& x : row) x *= factor;
}

template <std::size_t rows, class T>
void add_weighted(T* __restrict sum, RowView<const T> all, std::int64_t first, const double* weights, std::size_t begin,
                  std::size_t n) {
  const T* x[rows];
  T weight[rows];
  for (std::size_t k = 0; k < rows; ++k) {
    x[k] = all.at(first + k) + begin;
    weight[k] = weights[first + k];
  }
  for (std::size_t i = 0; i < n; ++i) {
    T total = sum[begin + i];
    for (std::size_t k = 0; k < rows; ++k) total += weight[k] * x[k][i];
    sum[begin + i] = total;
  }
}

template <class Terms, class T>
void sgd_loop(const SgdFactors<T>& factors, std::span<T> values, const T* __restrict g, const SgdStep<T>& step) {
  T* __restrict y = values.data();
  const T* __restrict anchor = step.anchor.data();
  const T* __restrict shift = step.shift.data();
  T* __restrict buffer = step.buffer.data();
  const std::int64_t size = std::ssize(values);
  for (std::int64_t i = 0; i < size; ++i) sgd_value<Terms>(factors, y, g, anchor, shift, buffer, i);
}

}  // namespace

template <class T>
double norm(std::span<const T> row) {
  double sum = 0;
  const std::int64_t size = std::ssize(row);
  for (std::int64_t begin = 0; begin < size; begin += norm_chunk)
    sum += chunk_of_squares(row.data() + begin, std::min(norm_chunk, size - begin));
  return std::sqrt(sum);
}

template <class T>
void norms(RowView<const T> rows, std::span<double> out) {
  require_size("norms", out.size(), rows.rows());
  for (std::int64_t k = 0; k < rows.rows(); ++k) out[k] = norm(rows.row(k));
}

template <class T>
void scale_rows(RowView<T> rows, std::span<const double> factors) {
  require_size("factors", factors.size(), rows.rows());
  for (std::int64_t k = 0; k < rows.rows(); ++k) scale<T>(rows.row(k), factors[k]);
}

template <class T>
void clip_rows(RowView<T> rows, double bound, std::span<double> norms_out) {
  require_clipping_bound(bound);
  norms<T>(rows, norms_out);
  for (std::int64_t k = 0; k < rows.rows(); ++k) {
    const double length = norms_out[k];
    if (length > bound) scale(rows.row(k), clip_factor<T>(length, bound));
  }
}

template <class T>
void axpy(std::span<T> y, double a, std::span<const T> x) {
  require_size("x", x.size(), y.size());
  const T factor = a;
  T* __restrict to = y.data();
  const T* __restrict from = x.data();
  for (std::size_t i = 0; i < y.size(); ++i) to[i] += factor * from[i];
}

template <class T>
void add(std::span<T> y, std::span<const T> x) {
  require_size("x", x.size(), y.size());
  T* __restrict to = y.data();
  const T* __restrict from = x.data();
  for (std::size_t i = 0; i < y.size(); ++i) to[i] += from[i];
}

template <class T>
void weighted_sum_inexact(std::span<T> sum, RowView<const T> rows, std::span<const double> weights) {
  require_size("sum", sum.size(), rows.columns());
  require_size("weights", weights.size(), rows.rows());
  constexpr std::int64_t group = sum_group;
  for (std::size_t begin = 0; begin < sum.size(); begin += sum_tile) {
    const std::size_t n = std::min(sum_tile, sum.size() - begin);
    std::int64_t k = 0;
    for (; k + group <= rows.rows(); k += group) add_weighted<sum_group>(sum.data(), rows, k, weights.data(), begin, n);
    for (; k < rows.rows(); ++k) add_weighted<1>(sum.data(), rows, k, weights.data(), begin, n);
  }
}

template <class T>
void sgd_step(std::span<T> y, std::span<const T> g, const SgdStep<T>& step) {
  require_size("gradient", g.size(), y.size());
  if (!step.anchor.empty()) require_size("anchor", step.anchor.size(), y.size());
  if (!step.shift.empty()) require_size("shift", step.shift.size(), y.size());
  if (!step.buffer.empty()) require_size("momentum buffer", step.buffer.size(), y.size());
  const T rate = step.rate, decay = step.decay, pull = step.pull, momentum = step.momentum;
  const SgdFactors<T> factors{rate, decay, pull, momentum};
  with_terms(!step.anchor.empty(), !step.shift.empty(), momentum_of(!step.buffer.empty(), step.nesterov),
             [&]<class Terms>(Terms) { sgd_loop<Terms>(factors, y, g.data(), step); });
}

#define SHOAL_INSTANTIATE(T)                                                                      \
  template double norm<T>(std::span<const T>);                                                    \
  template void norms<T>(RowView<const T>, std::span<double>);                                    \
  template void scale_rows<T>(RowView<T>, std::span<const double>);                               \
  template void clip_rows<T>(RowView<T>, double, std::span<double>);                              \
  template void axpy<T>(std::span<T>, double, std::span<const T>);                                \
  template void add<T>(std::span<T>, std::span<const T>);                                         \
  template void weighted_sum_inexact<T>(std::span<T>, RowView<const T>, std::span<const double>); \
  template void sgd_step<T>(std::span<T>, std::span<const T>, const SgdStep<T>&);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
