#include "sim/nn/transformer/transformer_arithmetic.hpp"

// Functions of the BLAS inside LibTorch (Fortran's calling convention, column-major).
extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
            const float*, const int*, const float*, float*, const int*);
void dgemm_(const char*, const char*, const int*, const int*, const int*, const double*, const double*, const int*,
            const double*, const int*, const double*, double*, const int*);
}

namespace shoal::arithmetic {
namespace {

float largest(const float* x, std::int64_t n) {
  if (n < Lanes::count) return *std::max_element(x, x + n);
  Lanes::Floats most = Lanes::load(x + n - Lanes::count);  // overlaps the last of the groups below
  for (std::int64_t i = 0; i + Lanes::count <= n; i += Lanes::count) {
    const Lanes::Floats next = Lanes::load(x + i);
    most = next > most ? next : most;
  }
  float lanes[Lanes::count];
  Lanes::store(most, lanes);
  return *std::max_element(lanes, lanes + Lanes::count);
}

// Row-major c = a b is column-major c^T = b^T a^T.
template <class Real, class Gemm>
void by_columns(Gemm gemm, Operand a_is, Operand b_is, std::int64_t m, std::int64_t n, std::int64_t k, Real alpha,
                const Real* a, std::int64_t a_stride, const Real* b, std::int64_t b_stride, Real beta, Real* c,
                std::int64_t c_stride) {
  if (m == 0 || n == 0) return;
  const char first = static_cast<char>(b_is), second = static_cast<char>(a_is);
  const int rows = n, columns = m, inner = k, b_step = b_stride, a_step = a_stride, c_step = c_stride;
  gemm(&first, &second, &rows, &columns, &inner, &alpha, b, &b_step, a, &a_step, &beta, c, &c_step);
}

template <class Real>
constexpr Real smallest = 1e-6;  // added to the mean square, so that a row of zeros stays zero

}  // namespace

void product(Operand a_is, Operand b_is, std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
             std::int64_t a_stride, const float* b, std::int64_t b_stride, float beta, float* c,
             std::int64_t c_stride) {
  by_columns(&sgemm_, a_is, b_is, m, n, k, alpha, a, a_stride, b, b_stride, beta, c, c_stride);
}

void product(Operand a_is, Operand b_is, std::int64_t m, std::int64_t n, std::int64_t k, double alpha, const double* a,
             std::int64_t a_stride, const double* b, std::int64_t b_stride, double beta, double* c,
             std::int64_t c_stride) {
  by_columns(&dgemm_, a_is, b_is, m, n, k, alpha, a, a_stride, b, b_stride, beta, c, c_stride);
}

float exponentials(float* x, std::int64_t n, float scale) {
  const float most = largest(x, n);
  Lanes::Floats sum{};
  std::int64_t i = 0;
  for (; i + Lanes::count <= n; i += Lanes::count) {
    const Lanes::Floats e = exponential((Lanes::load(x + i) - most) * scale);
    Lanes::store(e, x + i);
    sum += e;
  }
  float rest[Lanes::count] = {};
  for (std::int64_t j = i; j < n; ++j) rest[j - i] = (x[j] - most) * scale;
  Lanes::store(exponential(Lanes::load(rest)), rest);
  for (std::int64_t j = i; j < n; ++j) {
    x[j] = rest[j - i];
    sum[j - i] += x[j];
  }
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

double exponentials(double* x, std::int64_t n, double scale) {
  const double most = *std::max_element(x, x + n);
  for (std::int64_t i = 0; i < n; ++i) x[i] = std::exp(scale * (x[i] - most));
  return lane_sum<double>(n, [x](std::int64_t i) { return x[i]; });
}

template <class Real>
void normalize(const Real* x, const Real* gain, Real* y, Real* inverse, std::int64_t rows, std::int64_t width) {
  for (std::int64_t i = 0; i < rows; ++i, x += width, y += width) {
    const Real squares = lane_sum<Real>(width, [x](std::int64_t j) { return x[j] * x[j]; });
    const Real factor = 1 / std::sqrt(squares / width + smallest<Real>);
    inverse[i] = factor;
    for (std::int64_t j = 0; j < width; ++j) y[j] = x[j] * factor * gain[j];
  }
}

template <class Real>
void normalize_backward(const Real* dy, const Real* x, const Real* gain, const Real* inverse, Real* dx, Real* dgain,
                        std::int64_t rows, std::int64_t width) {
  for (std::int64_t i = 0; i < rows; ++i, x += width, dy += width, dx += width) {
    const Real factor = inverse[i];
    const Real along = lane_sum<Real>(width, [=](std::int64_t j) { return dy[j] * gain[j] * x[j]; });
    const Real back = along * factor * factor * factor / width;
    for (std::int64_t j = 0; j < width; ++j) {
      dgain[j] += dy[j] * x[j] * factor;
      dx[j] += dy[j] * gain[j] * factor - x[j] * back;
    }
  }
}

template void normalize(const float*, const float*, float*, float*, std::int64_t, std::int64_t);
template void normalize(const double*, const double*, double*, double*, std::int64_t, std::int64_t);
template void normalize_backward(const float*, const float*, const float*, const float*, float*, float*, std::int64_t,
                                 std::int64_t);
template void normalize_backward(const double*, const double*, const double*, const double*, double*, double*,
                                 std::int64_t, std::int64_t);

}  // namespace shoal::arithmetic
