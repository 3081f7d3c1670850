#pragma once
// Shared by the sources of RowSet: views of rows in the type that they have, and products of small matrices.

#include <ATen/ops/empty.h>

#include <span>

#include "kernels/gram.hpp"
#include "kernels/view.hpp"
#include "sim/comm/bytes.hpp"

namespace shoal::row_arithmetic {

inline at::TensorOptions doubles() { return at::TensorOptions(at::kDouble); }

// Calls work(T{}) with the type of the rows.
template <class Work>
void with_type(at::ScalarType type, const Work& work) {
  if (type == at::kDouble) {
    work(double{});
  } else {
    work(float{});
  }
}

template <class T>
RowView<const T> view(const at::Tensor& rows, std::int64_t begin, std::int64_t count) {
  return {rows.const_data_ptr<T>() + begin, rows.size(0), count, rows.size(1)};
}
template <class T>
RowView<T> mutable_view(at::Tensor& rows, std::int64_t begin, std::int64_t count) {
  return {rows.mutable_data_ptr<T>() + begin, rows.size(0), count, rows.size(1)};
}

inline std::span<const double> values_of(const at::Tensor& matrix) {
  return {matrix.const_data_ptr<double>(), static_cast<std::size_t>(matrix.numel())};
}

// a times b, in double, in a fixed order on every machine.
inline at::Tensor times(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor product = at::empty({a.size(0), b.size(1)}, doubles());
  combine(values_of(a), view<double>(b, 0, b.size(1)), mutable_view<double>(product, 0, b.size(1)));
  return product;
}

// a gram a^T, symmetric to the bit.
inline at::Tensor mapped(const at::Tensor& a, const at::Tensor& gram) {
  at::Tensor product = times(times(a, gram), a.t().contiguous());
  double* values = product.mutable_data_ptr<double>();
  const std::int64_t n = product.size(0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < i; ++j) values[j * n + i] = values[i * n + j];
  }
  return product;
}

template <class T>
void append(Bytes& bytes, std::span<const T> values) {
  const auto raw = std::as_bytes(values);
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

}  // namespace shoal::row_arithmetic
