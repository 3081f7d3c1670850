#include "sim/task/rows.hpp"

#include <ATen/TensorOperators.h>

#include "kernels/fixed_point.hpp"
#include "kernels/vector_ops.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

template <class T>
std::span<const T> row_of(const at::Tensor& dense, std::int64_t k) {
  return {dense.const_data_ptr<T>() + k * dense.size(1), static_cast<std::size_t>(dense.size(1))};
}

/// body(T{}) with the rows' own type.
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
  std::vector<double> out(static_cast<std::size_t>(count()));
  with_type(dense_,
            [&]<class T>(T) { shoal::norms<T>(RowView<const T>(dense_.const_data_ptr<T>(), count(), width()), out); });
  return out;
}

void Rows::scale(std::span<const double> factors) {
  with_type(dense_,
            [&]<class T>(T) { scale_rows<T>(RowView<T>(dense_.mutable_data_ptr<T>(), count(), width()), factors); });
}

std::vector<double> Rows::largest() const {
  std::vector<double> out(static_cast<std::size_t>(count()));
  with_type(dense_, [&]<class T>(T) {
    for (std::int64_t k = 0; k < count(); ++k) {
      out[static_cast<std::size_t>(k)] = scan<T>(row_of<T>(dense_, k)).max_abs;
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

}  // namespace shoal
