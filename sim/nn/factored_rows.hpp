#pragma once
// Factored rows: the change of a linear layer as a sum of outer products, which plain SGD gives without forming it. A
// block of clients is then summed by one matrix product per layer instead of one per client.

#include <string>

#include "sim/nn/rows.hpp"

namespace shoal {

/// One layer of K rows. Row k's piece is the matrix [outputs, inputs] = sum over i of d[k, i] x[k, i]^T, row-major. A
/// vector, such as a bias, is a layer with one input.
struct FactoredLayer {
  std::int64_t offset = 0;  // start of the piece in the row
  at::Tensor x;             // [K, n, inputs], not empty, float32 or float64
  at::Tensor d;             // [K, n, outputs], the same type

  std::int64_t size() const { return x.size(2) * d.size(2); }
};

struct FactoredRows {
  std::int64_t width = 0;             // values of a row; those outside the layers are 0
  std::vector<FactoredLayer> layers;  // at least one, in the order of their pieces, which do not overlap

  std::int64_t count() const { return layers.front().x.size(0); }
  at::ScalarType type() const { return layers.front().x.scalar_type(); }
  at::Device device() const { return layers.front().x.device(); }

  // Answers of `Rows`. Sums are rounded once per block, so that their last bits depend on the clients of a block.
  std::string problem() const;  // why the parts do not fit together; empty if they do
  at::Tensor dense() const;
  std::vector<double> norms() const;  // from the factors' products [n, n], in float64
  std::vector<double> bounds() const;
  void scale(std::span<const double> factors) const;  // the factors d
  void add_to(const SumView& sum, std::span<const std::int64_t> weights, int exponent) const;
  void add_weighted(const SumView& sum, std::span<const double> weights, int exponent) const;
  FactoredRows kept() const;
  FactoredRows to(at::Device device) const;
  void pack(Packer& packer) const;
  static FactoredRows unpack(Unpacker& unpacker);
};

}  // namespace shoal
