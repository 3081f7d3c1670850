#include "sim/nn/rows.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "kernels/device.hpp"
#include "kernels/fixed_point.hpp"
#include "kernels/vector_ops.hpp"
#include "sim/error.hpp"
#include "sim/nn/device.hpp"

namespace shoal {
namespace {

template <class T>
std::span<const T> row_of(const at::Tensor& dense, std::int64_t k) {
  return std::span(dense.const_data_ptr<T>() + k * dense.size(1), dense.size(1));
}

template <class T>
RowView<const T> view(const at::Tensor& dense) {
  return {dense.const_data_ptr<T>(), dense.size(0), dense.size(1)};
}

// Calls body(T{}) with the rows' own type.
template <class Body>
void with_type(const at::Tensor& dense, const Body& body) {
  if (dense.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    body(double{});
  }
}

}  // namespace

Rows::Rows(at::Tensor dense) : dense_(dense.dim() == 1 ? dense.unsqueeze(0) : std::move(dense)) {
  ensure(dense_.dim() == 2, "updates of {} dimensions (expected [d] or [K, d])", dense_.dim());
  ensure(dense_.scalar_type() == at::kFloat || dense_.scalar_type() == at::kDouble,
         "updates are neither float32 nor float64");
  dense_ = dense_.contiguous();
}

std::vector<double> Rows::norms() const {
  std::vector<double> out(count());
  with_type(dense_, [&]<class T>(T) {
    if (!on_device(dense_)) return shoal::norms<T>(view<T>(dense_), out);
    DeviceArray<double> there(current_stream(), out.size());
    shoal::norms<T>(current_stream(), view<T>(dense_), there.data());
    there.read(out);
  });
  return out;
}

void Rows::scale(std::span<const double> factors) {
  with_type(dense_, [&]<class T>(T) {
    const RowView<T> rows(dense_.mutable_data_ptr<T>(), count(), width());
    if (!on_device(dense_)) return scale_rows<T>(rows, factors);
    if (std::ranges::all_of(factors, [](double factor) { return factor == 1; })) return;
    const DeviceArray<double> there(current_stream(), factors);
    scale_rows<T>(current_stream(), rows, there.data());
  });
}

std::vector<double> Rows::largest() const {
  std::vector<double> out(count());
  with_type(dense_, [&]<class T>(T) {
    if (on_device(dense_)) {
      DeviceArray<RowRange> there(current_stream(), out.size());
      scan_rows<T>(current_stream(), view<T>(dense_), there.data());
      std::vector<RowRange> ranges(out.size());
      there.read(ranges);
      std::ranges::transform(ranges, out.begin(), &RowRange::max_abs);
      return;
    }
    for (std::int64_t k = 0; k < count(); ++k) {
      out[k] = scan<T>(row_of<T>(dense_, k)).max_abs;
    }
  });
  return out;
}

void Rows::add_to(std::span<std::int64_t> sum, std::int64_t row, std::int64_t weight, int exponent) const {
  with_type(dense_, [&]<class T>(T) { accumulate<T>(sum, row_of<T>(dense_, row), weight, exponent); });
}

void Rows::add_weighted(std::span<std::int64_t> sum, std::int64_t row, double weight, int exponent) const {
  const at::Tensor product = (dense_[row].to(at::kDouble) * weight).unsqueeze(0);
  accumulate<double>(sum, row_of<double>(product, 0), 1, exponent);
}

void Rows::add_to(const DeviceSum& sum, std::span<const std::int64_t> weights, int exponent) const {
  const DeviceArray<std::int64_t> there(current_stream(), weights);
  with_type(dense_, [&]<class T>(T) {
    accumulate_rows<T>(current_stream(), sum.values, view<T>(dense_), there.data(), exponent, sum.bad_row);
  });
}

void Rows::add_weighted(const DeviceSum& sum, std::span<const double> weights, int exponent) const {
  std::vector<std::int64_t> parts;
  for (const double weight : weights) parts.push_back(weight == 0 ? 0 : 1);
  const DeviceArray<std::int64_t> there(current_stream(), std::span<const std::int64_t>(parts));
  const at::Tensor factors = at::tensor(at::ArrayRef(weights.data(), weights.size()), at::kDouble);
  const at::Tensor products = dense_.to(at::kDouble) * factors.to(dense_.device()).unsqueeze(1);
  accumulate_rows<double>(current_stream(), sum.values, view<double>(products), there.data(), exponent, sum.bad_row);
}

}  // namespace shoal
