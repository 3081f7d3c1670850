#pragma once
// Arithmetic of a transformer on plain rows. Single-threaded; every sum has a fixed order.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace shoal::arithmetic {

enum class Operand : char { plain = 'N', transposed = 'T' };

/// c [m, n] = alpha a b + beta c, all row-major with the given row strides, where a is [m, k] and b [k, n] after
/// transposition. Calls LibTorch's BLAS, whose bits change with the alignment: operands come from `Memory` or lie in it
/// at fixed places.
void product(Operand a_is, Operand b_is, std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
             std::int64_t a_stride, const float* b, std::int64_t b_stride, float beta, float* c, std::int64_t c_stride);
void product(Operand a_is, Operand b_is, std::int64_t m, std::int64_t n, std::int64_t k, double alpha, const double* a,
             std::int64_t a_stride, const double* b, std::int64_t b_stride, double beta, double* c,
             std::int64_t c_stride);

/// y [rows, out] = x [rows, in] w^T + keep y; w [out, in].
template <class Real>
void linear(const Real* x, const Real* w, Real* y, std::int64_t rows, std::int64_t in, std::int64_t out,
            Real keep = 0) {
  product(Operand::plain, Operand::transposed, rows, out, in, Real{1}, x, in, w, in, keep, y, out);
}
/// dx [rows, in] = dy w.
template <class Real>
void linear_input(const Real* dy, const Real* w, Real* dx, std::int64_t rows, std::int64_t in, std::int64_t out) {
  product(Operand::plain, Operand::plain, rows, in, out, Real{1}, dy, out, w, in, Real{0}, dx, in);
}
/// dw [out, in] += dy^T x.
template <class Real>
void linear_weight(const Real* dy, const Real* x, Real* dw, std::int64_t rows, std::int64_t in, std::int64_t out) {
  product(Operand::transposed, Operand::plain, out, in, rows, Real{1}, dy, out, x, in, Real{1}, dw, in);
}

/// A buffer aligned to 64 bytes that only grows. Growing sets all its values to 0.
template <class T>
class Memory {
 public:
  T* take(std::int64_t count) {
    if (count > size_) {
      const std::size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
      values_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
      if (!values_) throw std::bad_alloc();
      std::fill_n(values_.get(), bytes / sizeof(T), T{});
      size_ = count;
    }
    return values_.get();
  }
  T* get() { return values_.get(); }
  const T* get() const { return values_.get(); }

 private:
  struct Free {
    void operator()(T* values) const { std::free(values); }
  };
  std::unique_ptr<T[], Free> values_;
  std::int64_t size_ = 0;
};

/// The sum of f(0), ..., f(n - 1) in eight lanes, so that it becomes vector instructions without reordering anything.
template <class Real, class F>
Real lane_sum(std::int64_t n, F f) {
  Real lanes[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += f(i + lane);
  }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += f(i);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// Eight floats in one vector register; compilers do not vectorize these loops by themselves.
struct Lanes {
  using Floats [[gnu::vector_size(32)]] = float;
  using Integers [[gnu::vector_size(32)]] = std::int32_t;
  static constexpr std::int64_t count = 8;

  static Floats all(float x) { return Floats{x, x, x, x, x, x, x, x}; }
  static Floats load(const float* from) {
    Floats x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
  }
  static void store(Floats x, float* to) { __builtin_memcpy(to, &x, sizeof x); }
};

/// e^x for x <= 0, within 2 units in the last place; x below -87 gives e^-87. The polynomial and the two parts of log 2
/// are those of the Cephes library (Moshier).
inline Lanes::Floats exponential(Lanes::Floats x) {
  const Lanes::Floats least = Lanes::all(-87.0F);
  x = x > least ? x : least;
  constexpr float round = 12582912.0F;  // 1.5 2^23: adding it drops the fraction
  const Lanes::Floats n = (x * 1.44269504F + round) - round;
  const Lanes::Floats r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  Lanes::Floats y = r * 1.9875691500e-4F + 1.3981999507e-3F;
  y = y * r + 8.3334519073e-3F;
  y = y * r + 4.1665795894e-2F;
  y = y * r + 1.6666665459e-1F;
  y = y * r + 5.0000001201e-1F;
  y = y * r * r + r + 1.0F;
  const Lanes::Integers exponent = (__builtin_convertvector(n, Lanes::Integers) + 127) << 23;
  return y * std::bit_cast<Lanes::Floats>(exponent);
}

/// Replaces x by e^(scale (x - max x)) and returns the sum; n >= 1.
float exponentials(float* x, std::int64_t n, float scale = 1);
double exponentials(double* x, std::int64_t n, double scale = 1);

/// y = gain x / (root mean square of x) for each row [width]; writes the divisors' inverses to `inverse` [rows].
template <class Real>
void normalize(const Real* x, const Real* gain, Real* y, Real* inverse, std::int64_t rows, std::int64_t width);
/// Adds the gradient with respect to x to dx, and with respect to the gain to dgain.
template <class Real>
void normalize_backward(const Real* dy, const Real* x, const Real* gain, const Real* inverse, Real* dx, Real* dgain,
                        std::int64_t rows, std::int64_t width);

}  // namespace shoal::arithmetic
