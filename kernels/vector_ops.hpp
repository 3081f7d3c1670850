#pragma once
// Operations on client rows, float and double: norms, clipping, scaling, and the local optimizer's step in one pass.
// Elementwise arithmetic is in T, with coefficients rounded to T first; nothing is fused behind the reader's back.
// Arrays of one call must not overlap. Sizes must agree (std::invalid_argument).

#include <span>

#include "kernels/view.hpp"

namespace shoal {

/// Euclidean norm. Squares are summed in double over fixed chunks of 4096 values and 16 fixed lanes, so the bits depend
/// on the values only. NaN and infinity pass through; double values beyond 1e154 overflow to infinity.
template <class T>
double norm(std::span<const T> row);

/// out[k] = norm of row k of [K, d]; out has K places.
template <class T>
void norms(RowView<const T> rows, std::span<double> out);

/// Row k of [K, d] times factors[k].
template <class T>
void scale_rows(RowView<T> rows, std::span<const double> factors);

/// Scales each row by min(1, bound / norm) and leaves the norms before clipping in norms_out [K]. Rows within the bound
/// keep their bits. Rows must be finite. Throws std::invalid_argument unless bound is positive. A clipped row's norm
/// can pass the bound by a relative rounding error of T.
template <class T>
void clip_rows(RowView<T> rows, double bound, std::span<double> norms_out);

/// y += a x.
template <class T>
void axpy(std::span<T> y, double a, std::span<const T> x);

/// One local step's coefficients. Empty spans: the term is absent.
template <class T>
struct SgdStep {
  double rate = 0;
  double decay = 0;           ///< weight decay, part of the gradient
  double pull = 0;            ///< strength of the pull to `anchor`; no effect without one
  std::span<const T> anchor;  ///< [d], FedProx, Ditto
  std::span<const T> shift;   ///< [d], added to the gradient: SCAFFOLD, FedDyn
  double momentum = 0;        ///< no effect without `buffer`
  std::span<T> buffer;        ///< [d], momentum; zero before the first step, which then sets it to the gradient
  bool nesterov = false;
};

/// grad = g + pull (y - anchor) + shift + decay y;  buffer = momentum buffer + grad;
/// y -= rate buffer, or with nesterov y -= rate (grad + momentum buffer), or without a buffer y -= rate grad.
/// The steps of torch.optim.SGD (dampening 0) on the corrected gradient; one pass over all arrays.
template <class T>
void sgd_step(std::span<T> y, std::span<const T> g, const SgdStep<T>& step);

}  // namespace shoal
