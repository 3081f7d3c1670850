#pragma once
// Sparse rows: positions and values of the entries that each client sends; all other values are 0.

#include <string>

#include "sim/nn/rows.hpp"

namespace shoal {

/// K sparse rows, one after another. Adding, scaling and measuring touch the entries alone. A codec fills them like
/// this:
///
///   SparseRows top = SparseRows::with_room(rows.count(), k, rows.width(), values.options());
///   for (row...) top_k_with_memory(memory, update, top.positions_of(row), top.values_of<float>(row));
struct SparseRows {
  std::int64_t width = 0;            // d, at most 2^31 - 1
  std::vector<std::int64_t> starts;  // [K + 1]; row k has the entries starts[k] to starts[k + 1] - 1
  at::Tensor positions;              // int32 [entries], strictly ascending in each row
  at::Tensor values;                 // float32 or float64 [entries]

  /// Room for `each` entries in each of `count` rows, not initialised, with the type and on the device of `options`.
  static SparseRows with_room(std::int64_t count, std::int64_t each, std::int64_t width,
                              const at::TensorOptions& options);

  std::int64_t count() const { return std::ssize(starts) - 1; }
  std::int64_t entries(std::int64_t k) const { return starts[k + 1] - starts[k]; }
  at::ScalarType type() const { return values.scalar_type(); }
  at::Device device() const { return values.device(); }
  /// The entries of row k, in host memory and writable; positions as the kernels (kernels/sparsify.hpp) have them.
  std::span<std::uint32_t> positions_of(std::int64_t k) const;
  template <class T>
  std::span<T> values_of(std::int64_t k) const {
    return {values.mutable_data_ptr<T>() + starts[k], static_cast<std::size_t>(entries(k))};
  }

  // Answers of `Rows`.
  std::string problem()
      const;  // why the parts do not fit together; empty if they do. On a GPU, sizes alone are checked
  at::Tensor dense() const;
  std::vector<double> norms() const;
  std::vector<double> bounds() const;
  void scale(std::span<const double> factors) const;
  void add_to(const SumView& sum, std::span<const std::int64_t> weights, int exponent) const;
  void add_weighted(const SumView& sum, std::span<const double> weights, int exponent) const;
  SparseRows kept() const;
  SparseRows to(at::Device device) const;
  void pack(Packer& packer) const;
  static SparseRows unpack(Unpacker& unpacker);
};

}  // namespace shoal
