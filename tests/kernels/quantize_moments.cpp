// Are the quantizers unbiased, with the variances of their papers? Every draw is keyed, so results do not vary; bounds
// are four standard deviations (two-sided significance 6e-5 per comparison) unless they say otherwise.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/hadamard.hpp"
#include "kernels/quantize.hpp"
#include "tests/kernels/random_values.hpp"

namespace {

using shoal::PhiloxStream;
using shoal::ScaleRule;
using shoal::testing::random_row;

double square(const std::vector<float>& row) {
  double sum = 0;
  for (const float x : row) sum += double{x} * double{x};
  return sum;
}

double distance_square(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2);
  return sum;
}

struct Case {
  int bits;
  ScaleRule rule;
};
class StochasticRounding : public testing::TestWithParam<Case> {};

// With unit u = scale / s and p the fraction of |x| / u, the error is (1 - p) u with probability p and -p u otherwise:
// mean 0, variance u^2 p (1 - p), fourth moment u^4 p (1 - p) (p^3 + (1 - p)^3). QSGD with s levels; TernGrad's
// variance |x| (m - |x|) is the case s = 1, u = m.
TEST_P(StochasticRounding, HasTheMeanAndVarianceOfItsPaper) {
  const auto [bits, rule] = GetParam();
  constexpr std::size_t d = 100;
  constexpr std::uint32_t draws = 5'000;
  const auto row = random_row(d, 1);
  const float scale = shoal::quantization_scale(row, rule);
  const double unit = double{scale} / shoal::largest_level(bits);
  std::vector<double> sum(d);
  double squares = 0;
  for (std::uint32_t r = 0; r < draws; ++r) {
    std::vector<std::uint8_t> packed(shoal::packed_bytes(d, bits));
    shoal::quantize(packed, row, scale, bits, {.key = {{9, 9}}, .row = {r, 0, 0}});
    std::vector<float> out(d);
    shoal::dequantize(out, packed, scale, bits);
    for (std::size_t i = 0; i < d; ++i) sum[i] += out[i];
    squares += distance_square(out, row);
  }
  double variance = 0, variance_of_squares = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const double y = std::fabs(double{row[i]}) / unit, p = y - std::floor(y);
    const double second = unit * unit * p * (1 - p);
    const double fourth = std::pow(unit, 4) * p * (1 - p) * (std::pow(p, 3) + std::pow(1 - p, 3));
    EXPECT_NEAR(sum[i] / draws, row[i], 4 * std::sqrt(second / draws) + 1e-6 * scale) << i;
    if (bits == 2 && rule == ScaleRule::largest) {
      EXPECT_NEAR(second, std::fabs(double{row[i]}) * (double{scale} - std::fabs(double{row[i]})), 1e-9);
    }
    variance += second;
    variance_of_squares += fourth - second * second;
  }
  EXPECT_NEAR(squares / draws, variance, 4 * std::sqrt(variance_of_squares / draws));
  if (rule == ScaleRule::l2_norm) {  // QSGD, lemma 3.1
    const double s = shoal::largest_level(bits), length = d;
    EXPECT_LE(squares / draws / square(row), std::min(length / (s * s), std::sqrt(length) / s));
  }
}

INSTANTIATE_TEST_SUITE_P(Quantize, StochasticRounding,
                         testing::Values(Case{2, ScaleRule::largest}, Case{2, ScaleRule::l2_norm},
                                         Case{3, ScaleRule::l2_norm}, Case{4, ScaleRule::largest},
                                         Case{8, ScaleRule::l2_norm}, Case{8, ScaleRule::largest}));

std::vector<float> with_signs(const std::vector<float>& row, float scale) {
  std::vector<std::uint8_t> packed(row.size() / 8);
  shoal::quantize_signs(packed, row);
  std::vector<float> out(row.size());
  shoal::dequantize_signs(out, packed, scale);
  return out;
}

// || x - (||x||_1 / d) sgn(x) ||^2 = ||x||^2 - ||x||_1^2 / d, an equality.
TEST(ScaledSigns, LeaveExactlyTheirResidual) {
  const auto row = random_row(10'000, 2);
  const float scale = shoal::quantization_scale(row, ScaleRule::mean_magnitude);
  double magnitudes = 0;
  for (const float x : row) magnitudes += std::fabs(double{x});
  EXPECT_NEAR(distance_square(with_signs(row, scale), row), square(row) - magnitudes * magnitudes / 10'000,
              1e-6 * square(row));
}

// DRIVE (arXiv 2105.08339): signs of the rotated vector. Its error tends to 1 - 2 / pi with the scale of least error
// and to pi / 2 - 1 with the unbiased one; the mean of 50 rotations is within 1 % at d = 2^16, for a vector whose
// energy is spread over many coordinates (one rotation's error deviates by 0.4 %). Half of the coordinates have ten
// times the deviation of the others; signs without the rotation then have an error of 1 - 2 / pi * 5.5^2 / 50.5 =
// 0.61866.
TEST(ScaledSigns, ReachDrivesErrorAfterTheRotation) {
  constexpr std::size_t d = 1 << 16;
  constexpr std::uint32_t draws = 50;
  std::vector<float> row = random_row(d, 3);
  for (std::size_t i = 0; i < d; i += 2) row[i] *= 10;
  double least = 0, unbiased = 0;
  for (std::uint32_t r = 0; r < draws; ++r) {
    const PhiloxStream signs{.key = {{5, 6}}, .row = {r, 8, 9}};
    std::vector<float> rotated(d);
    shoal::rotate(rotated, row, d, signs);
    const auto error = [&](double scale) {
      auto coded = with_signs(rotated, scale);
      std::vector<float> back(d);
      shoal::rotate_back(back, coded, d, signs);
      return distance_square(back, row) / square(row);
    };
    const double mean = shoal::quantization_scale(rotated, ScaleRule::mean_magnitude);
    least += error(mean) / draws;
    unbiased += error(square(row) / (mean * d)) / draws;
  }
  EXPECT_NEAR(least, 0.363380, 0.0036);
  EXPECT_NEAR(unbiased, 0.570796, 0.0057);
  const double plain = shoal::quantization_scale(row, ScaleRule::mean_magnitude);
  EXPECT_NEAR(distance_square(with_signs(row, plain), row) / square(row), 0.61866, 0.0062);
}

}  // namespace
