#pragma once
// Rows of integers: what quantizers of a common range send and what masks and integer noise are added to.

#include <limits>
#include <string>

#include "sim/nn/rows.hpp"

namespace shoal {

enum class Rounding : std::int8_t {
  nearest,     // half to even, as in an exact sum
  stochastic,  // up with the probability of the fraction: unbiased, but for 2^-32
  /// Stochastic, and drawn anew until the norm of the rounded row, before its weight, is within `rounded_norm_bound`:
  /// sensitivity then holds with certainty, at the price of a small bias. Kairouz, Liu, Steinke: The distributed
  /// discrete Gaussian mechanism for federated learning with secure aggregation, ICML 2021 (arXiv 2102.06387).
  conditional,
};

/// A value x of a row with integer weight w becomes the word round(x 2^exponent) w.
struct WordFormat {
  int exponent = 0;
  int bits = 64;  // 2 to 64; words lie in (-2^(bits - 1), 2^(bits - 1))
  Rounding rounding = Rounding::nearest;
  /// Conditional rounding: the largest Euclidean norm of a row, which a clip stage has ensured. A longer row may have
  /// no admissible rounding: after 256 draws it is refused like words that do not fit. A row within the norm is refused
  /// with a probability below 1e-55.
  double norm = std::numeric_limits<double>::infinity();
};

/// The norm that stochastic rounding of `size` values to integers may give a vector of this norm, in units of the
/// integers: min(c + sqrt d, sqrt(c^2 + d / 4 + sqrt(2 ln(1 / beta)) (c + sqrt(d) / 2))) with beta = e^(-1/2), from the
/// same paper. The first always holds, the second with a probability of at least 1 - beta.
double rounded_norm_bound(double norm, std::int64_t size);

/// Words [K, d] in two's complement, the word q standing for q 2^-exponent. As rows they are float64, exact up to 53
/// bits.
struct WordRows {
  at::Tensor words;  // [K, d]; int32 for at most 32 bits, int64 for more
  int bits = 0;      // 1 to 64; words lie in [-2^(bits - 1), 2^(bits - 1))
  int exponent = 0;

  std::int64_t count() const { return words.size(0); }
  at::ScalarType type() const { return at::kDouble; }
  at::Device device() const { return words.device(); }

  /// The words of dense rows on the host; see Rows::words.
  static WordRows of(const at::Tensor& dense, const WordFormat& format, std::span<const std::int64_t> weights,
                     RandomKey key, std::span<const Participation> block);
  /// These words times their weights, with the bits of the format, whose exponent must be their own: nothing is
  /// rounded.
  WordRows weighted(const WordFormat& format, std::span<const std::int64_t> weights) const;

  // Answers of `Rows`.
  std::string problem()
      const;  // why the parts do not fit together; empty if they do. On a GPU, sizes alone are checked
  at::Tensor dense() const;
  std::vector<double> norms() const;
  std::vector<double> bounds() const;
  void scale(std::span<const double> factors) const;  // by 1 alone
  void add_to(const SumView& sum, std::span<const std::int64_t> weights, int exponent) const;
  void add_weighted(const SumView& sum, std::span<const double> weights, int exponent) const;
  WordRows kept() const;
  WordRows to(at::Device device) const;
  /// ceil(bits d / 8) bytes a row, words without gaps, each from its lowest bit on.
  void pack(Packer& packer) const;
  static WordRows unpack(Unpacker& unpacker);

 private:
  std::vector<double> largest() const;  // magnitude of each row's words
};

}  // namespace shoal
