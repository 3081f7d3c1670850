#include "sim/task/loss_sum.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace shoal {
namespace {

constexpr double large = 0x1p16;  // this many units:
constexpr std::int64_t units_of_large = std::int64_t{1} << 46;
constexpr double most_in_units = 0x1p32;  // 2^62 units; the bits of any double beyond are larger than that

}  // namespace

LossSum::LossSum(double loss) {
  if (std::isnan(loss) || loss <= -0x1p63) {
    words_[3] = 1;
  } else if (loss >= 0x1p63) {
    words_[2] = 1;
  } else {
    const double multiples = std::trunc(loss / large);
    words_[0] = std::llround((loss - multiples * large) / unit);
    words_[1] = std::llround(multiples);
  }
}

LossSum& LossSum::operator+=(const LossSum& other) {
  for (std::size_t i = 0; i < size; ++i) words_[i] += other.words_[i];
  return *this;
}

double LossSum::value() const {
  if (words_[3] > 0) return std::numeric_limits<double>::quiet_NaN();
  if (words_[2] > 0) return std::numeric_limits<double>::infinity();
  const double small = words_[0], multiples = words_[1];
  return multiples * large + small * unit;
}

std::int64_t LossSum::code() const {
  const double loss = value();
  if (std::abs(loss) < most_in_units) return words_[0] + words_[1] * units_of_large;
  if (loss >= most_in_units) return std::bit_cast<std::int64_t>(loss);
  return std::bit_cast<std::int64_t>(std::numeric_limits<double>::quiet_NaN());
}

LossSum LossSum::of_code(std::int64_t code) {
  if (code >= std::bit_cast<std::int64_t>(most_in_units)) return LossSum(std::bit_cast<double>(code));
  return LossSum({code % units_of_large, code / units_of_large, 0, 0});
}

}  // namespace shoal
