#include "kernels/gram.hpp"

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/gram_bodies.hpp"

// Fortran's interface: matrices by columns, all arguments by address. Declared here because LibTorch contains the
// function without a header; linking a second BLAS could replace LibTorch's own.
extern "C" void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc);
extern "C" void dgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
                       const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
                       const double* beta, double* c, const int* ldc);

namespace shoal {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t chunk_size = gram_chunk;
constexpr std::size_t lanes = 16;
constexpr std::size_t float_sum = 256;  // columns whose squares are added in float, 16 per lane

// Memory that starts at a cache line: the bits of MKL's products depend on the alignment of their arguments.
template <class T>
class Aligned {
 public:
  explicit Aligned(std::size_t size)
      : data_(
            static_cast<T*>(::operator new(std::max<std::size_t>(size, 1) * sizeof(T), std::align_val_t{cache_line}))) {
    std::fill_n(data_.get(), size, T(0));
  }
  T* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, std::align_val_t{cache_line}); }
  };
  std::unique_ptr<T, Free> data_;
};

void require_matrix(const char* what, std::size_t size, std::int64_t n) { require_size(what, size, n * n); }

// Copies a chunk of scaled differences to rows of chunk_size values, zero beyond the last column.
void copy_chunk(RowView<const float> rows, std::span<const float> centre, float factor, std::size_t begin, float* to) {
  const std::size_t columns = std::min(chunk_size, rows.columns() - begin);
  for (std::int64_t i = 0; i < rows.rows(); ++i, to += chunk_size) {
    const float* x = rows.at(i) + begin;
    if (centre.empty()) {
      for (std::size_t c = 0; c < columns; ++c) to[c] = x[c] * factor;
    } else {
      const float* from = centre.data() + begin;
      for (std::size_t c = 0; c < columns; ++c) to[c] = (x[c] - from[c]) * factor;
    }
    std::fill(to + columns, to + chunk_size, 0.0f);
  }
}

// Rows per block. A block times all rows up to its last is one matrix product: the lower triangle and a little more.
std::size_t block_rows(std::size_t n) {
  if (n <= 64) return std::max<std::size_t>(n, 1);
  return n <= 256 ? (n + 1) / 2 : 128;
}

// product[i stride + j] = left row i times right row j over a chunk; [height, width].
void multiply(const float* left, int height, const float* right, int width, float* product, int stride) {
  const float one = 1, zero = 0;
  const int depth = chunk_size;
  sgemm_("T", "N", &width, &height, &depth, &one, right, &depth, left, &depth, &zero, product, &stride);
}
void multiply(const double* left, int height, const double* right, int width, double* product, int stride) {
  const double one = 1, zero = 0;
  const int depth = chunk_size;
  dgemm_("T", "N", &width, &height, &depth, &one, right, &depth, left, &depth, &zero, product, &stride);
}

// product[i n + j] for j <= i.
void multiply(const float* chunk, std::size_t n, float* product) {
  for (std::size_t first = 0; first < n; first += block_rows(n)) {
    const int height = std::min(block_rows(n), n - first), width = first + height;
    multiply(chunk + first * chunk_size, height, chunk, width, product + first * n, n);
  }
}

template <class T>
void add_rounded(const T* lower, std::size_t n, GramScale scale, double* matrix) {
  const double anchor = gram::anchor(scale), back = 1 / scale.factor / scale.factor;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) matrix[i * n + j] += ((lower[i * n + j] + anchor) - anchor) * back;
}

void mirror(std::size_t n, double* matrix) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) matrix[j * n + i] = matrix[i * n + j];
}

// Squared distances of one row to `others` rows over chunk_size columns.
template <std::size_t others>
void distances_to(const float* x, const float* const* y, double* distance) {
  for (std::size_t begin = 0; begin < chunk_size; begin += float_sum) {
    float sum[others][lanes] = {};
    for (std::size_t c = begin; c < begin + float_sum; c += lanes) {
      for (std::size_t o = 0; o < others; ++o) {
        for (std::size_t l = 0; l < lanes; ++l) {
          const float difference = x[c + l] - y[o][c + l];
          sum[o][l] += difference * difference;
        }
      }
    }
    for (std::size_t o = 0; o < others; ++o)
      for (std::size_t l = 0; l < lanes; ++l) distance[o] += sum[o][l];
  }
}

// lower[i n + j] for j < i.
void chunk_distances(const float* chunk, std::size_t n, double* lower) {
  constexpr std::size_t group = 4;
  for (std::size_t i = 0; i < n; ++i) {
    std::fill_n(lower + i * n, i + 1, 0.0);
    std::size_t j = 0;
    for (; j + group <= i; j += group) {
      const float* const others[group] = {chunk + j * chunk_size, chunk + (j + 1) * chunk_size,
                                          chunk + (j + 2) * chunk_size, chunk + (j + 3) * chunk_size};
      distances_to<group>(chunk + i * chunk_size, others, lower + i * n + j);
    }
    for (; j < i; ++j) {
      const float* const other = chunk + j * chunk_size;
      distances_to<1>(chunk + i * chunk_size, &other, lower + i * n + j);
    }
  }
}

// Copies a chunk of rows, each times its factor, to rows of chunk_size values, zero beyond the last column.
template <class T>
void copy_scaled(RowView<const T> rows, std::span<const double> factors, std::size_t begin, double* to) {
  const std::size_t columns = std::min(chunk_size, rows.columns() - begin);
  for (std::int64_t i = 0; i < rows.rows(); ++i, to += chunk_size) {
    const T* x = rows.at(i) + begin;
    for (std::size_t c = 0; c < columns; ++c) to[c] = x[c] * factors[i];
    std::fill(to + columns, to + chunk_size, 0.0);
  }
}

double square(double x) { return x * x; }

void add_units(std::int64_t& sum, double product, double units) {
  const auto whole = static_cast<std::int64_t>(std::rint(product * units));
  std::atomic_ref(sum).fetch_add(whole, std::memory_order_relaxed);
}

struct Eight {
  __m256d low, high;
};
Eight load(const float* x) { return {_mm256_cvtps_pd(_mm_loadu_ps(x)), _mm256_cvtps_pd(_mm_loadu_ps(x + 4))}; }
Eight load(const double* x) { return {_mm256_loadu_pd(x), _mm256_loadu_pd(x + 4)}; }
void store(float* to, __m256d low, __m256d high) {
  _mm_storeu_ps(to, _mm256_cvtpd_ps(low));
  _mm_storeu_ps(to + 4, _mm256_cvtpd_ps(high));
}
void store(double* to, __m256d low, __m256d high) {
  _mm256_storeu_pd(to, low);
  _mm256_storeu_pd(to + 4, high);
}

// Eight columns of `group` output rows.
template <std::size_t group, class T>
void combine_columns(const double* weights, RowView<const T> rows, RowView<T> out, std::int64_t first,
                     std::int64_t column) {
  __m256d low[group], high[group];
  for (std::size_t r = 0; r < group; ++r) low[r] = high[r] = _mm256_setzero_pd();
  const std::int64_t n = rows.rows();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto [x_low, x_high] = load(rows.at(i) + column);
    for (std::size_t r = 0; r < group; ++r) {
      const __m256d w = _mm256_broadcast_sd(weights + (first + r) * n + i);
      low[r] = _mm256_fmadd_pd(w, x_low, low[r]);
      high[r] = _mm256_fmadd_pd(w, x_high, high[r]);
    }
  }
  for (std::size_t r = 0; r < group; ++r) store(out.at(first + r) + column, low[r], high[r]);
}

template <class T>
void combine_rows(std::span<const double> weights, RowView<const T> rows, RowView<T> out) {
  require_size("weights", weights.size(), out.rows() * rows.rows());
  require_size("combined rows", out.columns(), rows.columns());
  constexpr std::int64_t group = 4, width = 8;
  // Columns of a block: their rows stay in the second-level cache while all output rows are computed.
  const std::int64_t block =
      std::clamp<std::int64_t>(128 * 1024 / std::max<std::int64_t>(rows.rows(), 1), 16, 1024) / width * width;
  const std::int64_t whole = rows.columns() / width * width;
  for (std::int64_t begin = 0; begin < whole; begin += block) {
    const std::int64_t end = std::min(begin + block, whole);
    std::int64_t r = 0;
    for (; r + group <= out.rows(); r += group)
      for (std::int64_t j = begin; j < end; j += width) combine_columns<group>(weights.data(), rows, out, r, j);
    for (; r < out.rows(); ++r)
      for (std::int64_t j = begin; j < end; j += width) combine_columns<1>(weights.data(), rows, out, r, j);
  }
  for (std::int64_t r = 0; r < out.rows(); ++r) {
    for (std::int64_t j = whole; j < rows.columns(); ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < rows.rows(); ++i) {
        const double x = rows.at(i)[j];
        sum = std::fma(weights[r * rows.rows() + i], x, sum);
      }
      out.at(r)[j] = sum;
    }
  }
}

}  // namespace

GramScale gram_scale(double bound, std::int64_t columns) {
  if (!(bound >= 0 && std::isfinite(bound)))
    throw std::invalid_argument("bound of " + std::to_string(bound) + " for products of rows (negative or not finite)");
  int exponent = 0, width = 0;
  std::frexp(bound, &exponent);  // bound < 2^exponent; 0 for 0
  std::frexp(std::max<std::int64_t>(columns, 1), &width);
  // The factor is at most 2^126, which fits float.
  return {std::ldexp(1.0, -std::max(exponent, -126)), std::ldexp(1.0, width + 2 - 51)};
}

void add_gram(RowView<const float> rows, std::span<const float> centre, GramScale scale, std::span<double> gram) {
  require_matrix("gram matrix", gram.size(), rows.rows());
  if (!centre.empty()) require_size("centre", centre.size(), rows.columns());
  const std::size_t n = rows.rows(), columns = rows.columns();
  const Aligned<float> chunk(n * chunk_size), product(n * n);
  for (std::size_t begin = 0; begin < columns; begin += chunk_size) {
    copy_chunk(rows, centre, scale.factor, begin, chunk.data());
    multiply(chunk.data(), n, product.data());
    add_rounded(product.data(), n, scale, gram.data());
  }
  mirror(n, gram.data());
}

void distances_from_gram(std::span<const double> gram, std::span<double> distances) {
  require_size("distances", distances.size(), gram.size());
  const std::size_t n = std::lround(std::sqrt(gram.size()));
  require_size("gram matrix", gram.size(), n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      distances[i * n + j] = std::max(0.0, gram[i * n + i] + gram[j * n + j] - 2 * gram[i * n + j]);
}

void add_squared_distances(RowView<const float> rows, GramScale scale, std::span<double> distances) {
  require_matrix("distances", distances.size(), rows.rows());
  const std::size_t n = rows.rows(), columns = rows.columns();
  const Aligned<float> chunk(n * chunk_size);
  std::vector<double> lower(n * n);
  for (std::size_t begin = 0; begin < columns; begin += chunk_size) {
    copy_chunk(rows, {}, scale.factor, begin, chunk.data());
    chunk_distances(chunk.data(), n, lower.data());
    add_rounded(lower.data(), n, scale, distances.data());
  }
  mirror(n, distances.data());
}

void combine(std::span<const double> weights, RowView<const float> rows, RowView<float> out) {
  combine_rows(weights, rows, out);
}
void combine(std::span<const double> weights, RowView<const double> rows, RowView<double> out) {
  combine_rows(weights, rows, out);
}

double product_factor(double largest) {
  if (!(largest >= 0 && std::isfinite(largest)))
    throw std::invalid_argument("largest value of a row is " + std::to_string(largest) + " (negative or not finite)");
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent; 0 for 0
  return std::ldexp(1.0, -std::clamp(exponent, -1000, 1000));
}

int product_exponent(std::int64_t columns) {
  return 61 - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(columns, 1))));
}

template <class T>
void add_products(RowView<const T> rows, std::span<const double> factors, int exponent, std::span<std::int64_t> sums) {
  const std::size_t n = rows.rows(), columns = rows.columns();
  require_size("products", sums.size(), n * (n + 1) / 2);
  require_size("factors", factors.size(), n);
  if (n == 0) return;
  const Aligned<double> chunk(n * chunk_size), product(block_rows(n) * n);
  const double units = std::ldexp(1.0, exponent);
  for (std::size_t begin = 0; begin < columns; begin += chunk_size) {
    copy_scaled(rows, factors, begin, chunk.data());
    std::size_t p = 0;
    for (std::size_t first = 0; first < n; first += block_rows(n)) {
      const std::size_t last = std::min(first + block_rows(n), n);
      multiply(chunk.data() + first * chunk_size, last - first, chunk.data(), last, product.data(), n);
      for (std::size_t i = first; i < last; ++i)
        for (std::size_t j = 0; j <= i; ++j, ++p) add_units(sums[p], product.data()[(i - first) * n + j], units);
    }
  }
}

template <class T>
void add_products(RowView<const T> left, std::span<const double> left_factors, RowView<const T> right,
                  std::span<const double> right_factors, int exponent, std::span<std::int64_t> sums) {
  const std::size_t height = left.rows(), width = right.rows(), columns = left.columns();
  require_size("products", sums.size(), height * width);
  require_size("factors", left_factors.size(), height);
  require_size("factors", right_factors.size(), width);
  require_size("columns", right.columns(), columns);
  if (height == 0 || width == 0) return;
  const Aligned<double> a(height * chunk_size), b(width * chunk_size), product(height * width);
  const double units = std::ldexp(1.0, exponent);
  for (std::size_t begin = 0; begin < columns; begin += chunk_size) {
    copy_scaled(left, left_factors, begin, a.data());
    copy_scaled(right, right_factors, begin, b.data());
    multiply(a.data(), height, b.data(), width, product.data(), width);
    for (std::size_t p = 0; p < sums.size(); ++p) add_units(sums[p], product.data()[p], units);
  }
}

template <class T>
void add_squares(RowView<const T> rows, std::span<const double> factors, int exponent, std::span<std::int64_t> sums) {
  const std::size_t columns = rows.columns();
  require_size("squares", sums.size(), rows.rows());
  require_size("factors", factors.size(), rows.rows());
  const double units = std::ldexp(1.0, exponent);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t begin = 0; begin < columns; begin += chunk_size) {
      const T* x = rows.at(i) + begin;
      const std::size_t count = std::min(chunk_size, columns - begin);
      double lane[lanes] = {};
      std::size_t c = 0;
      for (; c + lanes <= count; c += lanes) {
        for (std::size_t l = 0; l < lanes; ++l) lane[l] += square(x[c + l] * factors[i]);
      }
      for (; c < count; ++c) lane[c % lanes] += square(x[c] * factors[i]);
      double sum = 0;
      for (const double part : lane) sum += part;
      add_units(sums[i], sum, units);
    }
  }
}

template void add_products(RowView<const float>, std::span<const double>, int, std::span<std::int64_t>);
template void add_products(RowView<const float>, std::span<const double>, RowView<const float>, std::span<const double>,
                           int, std::span<std::int64_t>);
template void add_squares(RowView<const float>, std::span<const double>, int, std::span<std::int64_t>);
template void add_products(RowView<const double>, std::span<const double>, int, std::span<std::int64_t>);
template void add_products(RowView<const double>, std::span<const double>, RowView<const double>,
                           std::span<const double>, int, std::span<std::int64_t>);
template void add_squares(RowView<const double>, std::span<const double>, int, std::span<std::int64_t>);

}  // namespace shoal
