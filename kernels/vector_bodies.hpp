#pragma once
// Arithmetic that the host and device forms of vector operations share.

#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/vector_ops.hpp"

namespace shoal {

// The order in which squares are summed. A chunk's lanes are a warp on the device and eight registers on the host.
inline constexpr std::int64_t norm_chunk = 4096, norm_lanes = 32;

template <class T>
SHOAL_HD double square(T x) {
  const double wide = x;
  return wide * wide;
}

template <class T>
SHOAL_HD T clip_factor(double norm, double bound) {
  return bound / norm;
}

inline void require_clipping_bound(double bound) {
  if (!(bound > 0)) throw std::invalid_argument("clipping bound of " + std::to_string(bound) + " (must be positive)");
}

enum class Momentum { none, heavy_ball, nesterov };

/// The terms of a step, known at compile time, so that loops have no branches and read only the arrays they need.
template <bool with_anchor, bool with_shift, Momentum kind>
struct SgdTerms {
  static constexpr bool anchor = with_anchor, shift = with_shift;
  static constexpr Momentum momentum = kind;
};

template <class T>
struct SgdFactors {
  T rate, decay, pull, momentum;
};

/// Updates value i of one row; pointers of absent terms are not read.
template <class Terms, class T>
SHOAL_HD void sgd_value(const SgdFactors<T>& factors, T* __restrict y, const T* __restrict g,
                        const T* __restrict anchor, const T* __restrict shift, T* __restrict buffer, std::int64_t i) {
  T grad = g[i];
  if constexpr (Terms::anchor) grad += factors.pull * (y[i] - anchor[i]);
  if constexpr (Terms::shift) grad += shift[i];
  grad += factors.decay * y[i];
  if constexpr (Terms::momentum != Momentum::none) {
    const T m = factors.momentum * buffer[i] + grad;
    buffer[i] = m;
    grad = Terms::momentum == Momentum::nesterov ? grad + factors.momentum * m : m;
  }
  y[i] -= factors.rate * grad;
}

/// Calls run(SgdTerms<...>{}) for the given terms.
template <class Run>
void with_terms(bool anchor, bool shift, Momentum momentum, const Run& run) {
  const auto with_momentum = [&]<bool a, bool s>() {
    if (momentum == Momentum::none) return run(SgdTerms<a, s, Momentum::none>{});
    if (momentum == Momentum::heavy_ball) return run(SgdTerms<a, s, Momentum::heavy_ball>{});
    run(SgdTerms<a, s, Momentum::nesterov>{});
  };
  if (anchor && shift) return with_momentum.template operator()<true, true>();
  if (anchor) return with_momentum.template operator()<true, false>();
  if (shift) return with_momentum.template operator()<false, true>();
  with_momentum.template operator()<false, false>();
}

inline Momentum momentum_of(bool has_buffer, bool nesterov) {
  if (!has_buffer) return Momentum::none;
  return nesterov ? Momentum::nesterov : Momentum::heavy_ball;
}

}  // namespace shoal
