#pragma once
// The updates of K clients, one client per row.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace shoal {

/// A sum in the device's memory: [d] values, and the number in which kernels note a row that did not fit
/// (`require_no_row`).
struct DeviceSum {
  std::int64_t* values;
  std::int64_t* bad_row;
};

/// Updates [K, d] on the way from training to the sum, on the CPU or a GPU. `norms` and `largest` wait for the device.
/// Dense today; a factored or sparse form would be another representation behind the same functions, made dense only
/// on request.
class Rows {
 public:
  Rows() = default;
  /// Dense rows, float32 or float64, contiguous; a [d] tensor is one row. Shares the tensor.
  Rows(at::Tensor dense);  // NOLINT(google-explicit-constructor): a strategy returns tensor expressions

  std::int64_t count() const { return dense_.size(0); }  // K
  std::int64_t width() const { return dense_.size(1); }  // d
  at::ScalarType type() const { return dense_.scalar_type(); }
  const at::Tensor& dense() const { return dense_; }

  /// Euclidean norm of each row.
  std::vector<double> norms() const;
  /// Multiplies row k by factors[k], in place.
  void scale(std::span<const double> factors);
  /// Largest magnitude of each row; not finite where a value of the row is not.
  std::vector<double> largest() const;
  /// sum += weight * rint(row * 2^exponent), exactly. The caller has checked `largest` against the channel's bound.
  void add_to(std::span<std::int64_t> sum, std::int64_t row, std::int64_t weight, int exponent) const;
  /// sum += rint(row * weight * 2^exponent): for weights that are not whole. Rounded after the product, so that small
  /// values keep the sum's whole resolution.
  void add_weighted(std::span<std::int64_t> sum, std::int64_t row, double weight, int exponent) const;
  /// The same two on the device, for all rows together. Rows of weight 0 take no part, whatever they hold. Queued on
  /// the current stream.
  void add_to(const DeviceSum& sum, std::span<const std::int64_t> weights, int exponent) const;
  void add_weighted(const DeviceSum& sum, std::span<const double> weights, int exponent) const;

  /// The rows on that device; shares the tensor if it is there already.
  Rows to(at::Device device) const { return {dense_.to(device)}; }

 private:
  at::Tensor dense_;
};

}  // namespace shoal
