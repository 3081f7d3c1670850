#include "kernels/vector_ops.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace shoal {
namespace {

constexpr std::size_t chunk_size = 4096;
constexpr std::size_t lanes = 16;

template <class T>
double chunk_of_squares(const T* x, std::size_t n) {
  double lane[lanes] = {};
  const std::size_t whole = n - n % lanes;
  for (std::size_t i = 0; i < whole; i += lanes)
    for (std::size_t l = 0; l < lanes; ++l) lane[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
  for (std::size_t i = whole; i < n; ++i) lane[i - whole] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (std::size_t width = lanes / 2; width > 0; width /= 2)
    for (std::size_t l = 0; l < width; ++l) lane[l] += lane[l + width];
  return lane[0];
}

template <class T>
void scale(std::span<T> row, T factor) {
  for (T& x : row) x *= factor;
}

enum class Momentum { none, heavy_ball, nesterov };

// Absent terms are left out at compile time: the loop has no branches and reads no array that it does not need.
template <class T, bool with_anchor, bool with_shift, Momentum kind>
void step_loop(std::size_t n, T* __restrict y, const T* __restrict g, const SgdStep<T>& step) {
  const T rate = static_cast<T>(step.rate), decay = static_cast<T>(step.decay), pull = static_cast<T>(step.pull);
  const T momentum = static_cast<T>(step.momentum);
  const T* __restrict anchor = step.anchor.data();
  const T* __restrict shift = step.shift.data();
  T* __restrict buffer = step.buffer.data();
  for (std::size_t i = 0; i < n; ++i) {
    T grad = g[i];
    if constexpr (with_anchor) grad += pull * (y[i] - anchor[i]);
    if constexpr (with_shift) grad += shift[i];
    grad += decay * y[i];
    if constexpr (kind != Momentum::none) {
      const T m = momentum * buffer[i] + grad;
      buffer[i] = m;
      grad = kind == Momentum::nesterov ? grad + momentum * m : m;
    }
    y[i] -= rate * grad;
  }
}

template <class T, bool with_anchor, bool with_shift>
void step_with(std::span<T> y, const T* g, const SgdStep<T>& step) {
  if (step.buffer.empty()) return step_loop<T, with_anchor, with_shift, Momentum::none>(y.size(), y.data(), g, step);
  if (step.nesterov) return step_loop<T, with_anchor, with_shift, Momentum::nesterov>(y.size(), y.data(), g, step);
  step_loop<T, with_anchor, with_shift, Momentum::heavy_ball>(y.size(), y.data(), g, step);
}

}  // namespace

template <class T>
double norm(std::span<const T> row) {
  double sum = 0;
  for (std::size_t begin = 0; begin < row.size(); begin += chunk_size)
    sum += chunk_of_squares(row.data() + begin, std::min(chunk_size, row.size() - begin));
  return std::sqrt(sum);
}

template <class T>
void norms(RowView<const T> rows, std::span<double> out) {
  require_size("norms", out.size(), static_cast<std::size_t>(rows.rows()));
  for (std::int64_t k = 0; k < rows.rows(); ++k) out[static_cast<std::size_t>(k)] = norm(rows.row(k));
}

template <class T>
void scale_rows(RowView<T> rows, std::span<const double> factors) {
  require_size("factors", factors.size(), static_cast<std::size_t>(rows.rows()));
  for (std::int64_t k = 0; k < rows.rows(); ++k)
    scale(rows.row(k), static_cast<T>(factors[static_cast<std::size_t>(k)]));
}

template <class T>
void clip_rows(RowView<T> rows, double bound, std::span<double> norms_out) {
  if (!(bound > 0)) throw std::invalid_argument("clipping bound of " + std::to_string(bound) + " (must be positive)");
  norms<T>(rows, norms_out);
  for (std::int64_t k = 0; k < rows.rows(); ++k) {
    const double length = norms_out[static_cast<std::size_t>(k)];
    if (length > bound) scale(rows.row(k), static_cast<T>(bound / length));
  }
}

template <class T>
void axpy(std::span<T> y, double a, std::span<const T> x) {
  require_size("x", x.size(), y.size());
  const T factor = static_cast<T>(a);
  T* __restrict to = y.data();
  const T* __restrict from = x.data();
  for (std::size_t i = 0; i < y.size(); ++i) to[i] += factor * from[i];
}

template <class T>
void sgd_step(std::span<T> y, std::span<const T> g, const SgdStep<T>& step) {
  require_size("gradient", g.size(), y.size());
  if (!step.anchor.empty()) require_size("anchor", step.anchor.size(), y.size());
  if (!step.shift.empty()) require_size("shift", step.shift.size(), y.size());
  if (!step.buffer.empty()) require_size("momentum buffer", step.buffer.size(), y.size());
  if (step.anchor.empty())
    return step.shift.empty() ? step_with<T, false, false>(y, g.data(), step)
                              : step_with<T, false, true>(y, g.data(), step);
  step.shift.empty() ? step_with<T, true, false>(y, g.data(), step) : step_with<T, true, true>(y, g.data(), step);
}

#define SHOAL_INSTANTIATE(T)                                         \
  template double norm<T>(std::span<const T>);                       \
  template void norms<T>(RowView<const T>, std::span<double>);       \
  template void scale_rows<T>(RowView<T>, std::span<const double>);  \
  template void clip_rows<T>(RowView<T>, double, std::span<double>); \
  template void axpy<T>(std::span<T>, double, std::span<const T>);   \
  template void sgd_step<T>(std::span<T>, std::span<const T>, const SgdStep<T>&);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
