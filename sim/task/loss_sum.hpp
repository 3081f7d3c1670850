#pragma once
// A sum of losses that does not depend on its order: any split over ranks adds up to the same.

#include <array>
#include <cstdint>

namespace shoal {

/// Terms are split into integers, so their sums are exact. A term of magnitude below 2^63 counts as itself, rounded to
/// `unit`; a larger one as infinite. Nothing saturates: a sum is what was measured, or infinite, or NaN.
class LossSum {
 public:
  static constexpr double unit = 1.0 / (1 << 30);
  static constexpr std::size_t size = 4;

  LossSum() = default;
  /// One term, which may be infinite or NaN.
  explicit LossSum(double loss);
  /// From the words of a sum, or the sums of the words of several.
  explicit LossSum(const std::array<std::int64_t, size>& words) : words_(words) {}

  LossSum& operator+=(const LossSum& other);
  bool operator==(const LossSum&) const = default;
  double value() const;
  /// The sum as one integer: the number of units below 2^32, or the bits of a double from there on, which are larger.
  /// NaN at or below -2^32. Codes of several sums do not add up.
  std::int64_t code() const;
  static LossSum of_code(std::int64_t code);
  /// Integers to be added up over ranks.
  const std::array<std::int64_t, size>& words() const { return words_; }

 private:
  // Multiples of `unit` and of 2^16 (a term below 2^16 has none of these; 2^16 terms cannot overflow), number of
  // infinite terms, number of terms that are not numbers.
  std::array<std::int64_t, size> words_{};
};

}  // namespace shoal
