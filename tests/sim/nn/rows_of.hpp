#pragma once
// Rows for tests, and their exact sums by the rule of fixed_point.hpp in integer arithmetic of its own.

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "sim/nn/factored_rows.hpp"
#include "sim/nn/sparse_rows.hpp"
#include "sim/nn/word_rows.hpp"

namespace shoal::test {

/// Values of unit size from a fixed seed.
inline at::Tensor normal(at::IntArrayRef sizes, at::ScalarType type = at::kFloat, std::uint64_t seed = 1) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kDouble)).to(type);
}

/// Row k has the entries of `positions[k]`, with values of unit size.
inline SparseRows sparse_at(const std::vector<std::vector<std::int32_t>>& positions, std::int64_t width,
                            at::ScalarType type = at::kFloat) {
  SparseRows rows{.width = width, .starts = {0}, .positions = {}, .values = {}};
  std::vector<std::int32_t> all;
  for (const auto& own : positions) {
    all.insert(all.end(), own.begin(), own.end());
    rows.starts.push_back(std::ssize(all));
  }
  rows.positions = at::tensor(all, at::kInt);
  rows.values = normal({std::ssize(all)}, type);
  return rows;
}

/// Three rows of 20 values with two layers: [3, 4] at 2 and a bias [4, 1] at 16.
inline FactoredRows factored(at::ScalarType type = at::kFloat) {
  return {.width = 20,
          .layers = {{2, normal({3, 5, 4}, type, 2), normal({3, 5, 3}, type, 3)},
                     {16, at::ones({3, 5, 1}, type), normal({3, 5, 4}, type, 4)}}};
}

/// Participations of as many clients, one each.
inline std::vector<Participation> block_of(std::int64_t count) {
  std::vector<Participation> block(count);
  for (std::int64_t k = 0; k < count; ++k) {
    block[k].id = ParticipationId{100 + k};
    block[k].client = ClientId{(std::int64_t{1} << 40) + 7 * k};
  }
  return block;
}

/// rint(x 2^exponent), half to even, from the bits of x alone.
inline __int128 rounded(double x, int exponent) {
  int power = 0;
  const auto mantissa = static_cast<std::int64_t>(std::ldexp(std::frexp(std::abs(x), &power), 53));
  const int shift = power - 53 + exponent;
  __int128 q = mantissa;
  if (shift >= 0) {
    q <<= shift;
  } else if (shift < -60) {
    q = 0;
  } else {
    const __int128 unit = __int128{1} << -shift, rest = q % unit;
    q /= unit;
    if (2 * rest > unit || (2 * rest == unit && q % 2 == 1)) ++q;
  }
  return x < 0 ? -q : q;
}

/// The sum of rows that rounded and weights give.
inline std::vector<std::int64_t> exact_sum(const at::Tensor& dense, const std::vector<std::int64_t>& weights,
                                           int exponent) {
  const at::Tensor rows = dense.to(at::kDouble).contiguous();
  std::vector<std::int64_t> sum(rows.size(1));
  for (std::int64_t k = 0; k < rows.size(0); ++k) {
    for (std::int64_t i = 0; i < rows.size(1) && weights[k] != 0; ++i) {
      sum[i] += static_cast<std::int64_t>(rounded(rows.const_data_ptr<double>()[k * rows.size(1) + i], exponent) *
                                          weights[k]);
    }
  }
  return sum;
}

inline SumView view(std::vector<std::int64_t>& sum) { return {sum.data(), std::ssize(sum), nullptr, at::kCPU}; }

/// The sum that the rows themselves give.
inline std::vector<std::int64_t> sum_of(const Rows& rows, const std::vector<std::int64_t>& weights, int exponent) {
  std::vector<std::int64_t> sum(rows.width());
  rows.add_to(view(sum), weights, exponent);
  return sum;
}
inline std::vector<std::int64_t> sum_of(const Rows& rows, const std::vector<double>& weights, int exponent) {
  std::vector<std::int64_t> sum(rows.width());
  rows.add_weighted(view(sum), weights, exponent);
  return sum;
}

}  // namespace shoal::test
