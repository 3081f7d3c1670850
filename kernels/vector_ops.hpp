#pragma once
// Operations on rows of float or double: norms, clipping, scaling, and a step of SGD in one pass. Elementwise
// arithmetic is in T, with coefficients rounded to T first; products and sums are not contracted into fused operations.
// Arrays of one call must not overlap. Sizes must agree (std::invalid_argument).

#include <span>

#include "kernels/launch.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// Euclidean norm. Squares are summed in double, in a fixed order: chunks of 4096 values one after the other, each
/// with 32 lanes (value i goes to lane i mod 32) that are then added pairwise, far halves first. So the bits depend on
/// the values only, on the host and on the device. NaN and infinity pass through; double values beyond 1e154 overflow
/// to infinity.
template <class T>
double norm(std::span<const T> row);

/// out[k] = norm of row k of [K, d]; out has K values.
template <class T>
void norms(RowView<const T> rows, std::span<double> out);

/// Row k of [K, d] times factors[k].
template <class T>
void scale_rows(RowView<T> rows, std::span<const double> factors);

/// Scales each row by min(1, bound / norm) and leaves the norms before clipping in norms_out [K]. Rows within the bound
/// keep their bits. Rows must be finite. Throws std::invalid_argument unless bound is positive. A clipped row's norm
/// can exceed the bound by a relative rounding error of T.
template <class T>
void clip_rows(RowView<T> rows, double bound, std::span<double> norms_out);

/// y += a x.
template <class T>
void axpy(std::span<T> y, double a, std::span<const T> x);

/// y += x.
template <class T>
void add(std::span<T> y, std::span<const T> x);

/// sum += weights[0] x_0 + ... + weights[K - 1] x_{K-1} over the rows of [K, d]: rows in this order, each product and
/// sum rounded to T. Inexact: another order of rows gives other bits (the same order, spread over several calls, does
/// not). Exact sums: fixed_point.hpp.
template <class T>
void weighted_sum_inexact(std::span<T> sum, RowView<const T> rows, std::span<const double> weights);

/// The terms of one step. A term whose span is empty is absent.
template <class T>
struct SgdStep {
  double rate = 0;
  double decay = 0;           // weight decay, part of the gradient
  double pull = 0;            // strength of the pull towards `anchor`; no effect without one
  std::span<const T> anchor;  // [d]
  std::span<const T> shift;   // [d], added to the gradient
  double momentum = 0;        // no effect without `buffer`
  std::span<T> buffer;        // [d], momentum; zero before the first step, which then sets it to the gradient
  bool nesterov = false;
};

/// grad = g + pull (y - anchor) + shift + decay y;  buffer = momentum buffer + grad;
/// y -= rate buffer, or with nesterov y -= rate (grad + momentum buffer), or without a buffer y -= rate grad.
/// The steps of torch.optim.SGD (dampening 0) on the corrected gradient; one pass over all arrays.
template <class T>
void sgd_step(std::span<T> y, std::span<const T> g, const SgdStep<T>& step);

// On the device (device.hpp): the same bits as on the host, since both do the same IEEE operations in the same order.
// Views that are only read may have stride 0: one row for all. The only error is std::invalid_argument for sizes.

template <class T>
void norms(OnDevice device, RowView<const T> rows, double* out);
template <class T>
void scale_rows(OnDevice device, RowView<T> rows, const double* factors);
template <class T>
void clip_rows(OnDevice device, RowView<T> rows, double bound, double* norms_out);
template <class T>
void axpy(OnDevice device, RowView<T> y, double a, RowView<const T> x);
template <class T>
void add(OnDevice device, RowView<T> y, RowView<const T> x);
template <class T>
void weighted_sum_inexact(OnDevice device, T* sum, RowView<const T> rows, const double* weights);

/// SgdStep for K rows. A term whose view has no data is absent.
template <class T>
struct SgdRows {
  const double* rates = nullptr;  // [K]; a row with rate 0 stays as it is, and so does its buffer
  double decay = 0;
  double pull = 0;
  RowView<const T> anchor;
  RowView<const T> shift;
  double momentum = 0;
  RowView<T> buffer;
  bool nesterov = false;
};

/// sgd_step of every row of y [K, d] with its row of g.
template <class T>
void sgd_step(OnDevice device, RowView<T> y, RowView<const T> g, const SgdRows<T>& step);

}  // namespace shoal
