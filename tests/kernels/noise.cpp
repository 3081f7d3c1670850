// Is noise the promised stream of normal numbers, wherever a range of it is drawn?
#include "kernels/noise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "sim/random.hpp"

namespace {

using shoal::NoiseStream;
using shoal::PhiloxKey;
using shoal::RowView;

constexpr PhiloxKey key{{7, 11}};

// The counter of shoal::RandomStream.
NoiseStream stream_of(std::int64_t client, std::uint32_t participation) {
  return {{static_cast<std::uint32_t>(client), static_cast<std::uint32_t>(client >> 32), participation}};
}

template <class T>
class Noise : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(Noise, Reals);

TYPED_TEST(Noise, FollowsTheClientsRandomStream) {
  const std::vector<std::int64_t> clients = {0, 3, (std::int64_t{5} << 32) + 9};
  std::vector<NoiseStream> streams;
  for (const std::int64_t client : clients) streams.push_back(stream_of(client, 17));
  for (const std::int64_t d : {0, 1, 31, 257, 10'003}) {
    std::vector<TypeParam> out(3 * d);
    shoal::fill_normals<TypeParam>({out.data(), 3, d}, key, streams, 0.25);
    for (std::size_t k = 0; k < 3; ++k) {
      shoal::RandomStream stream({7, 11}, clients[k], 17);
      for (std::int64_t j = 0; j < d; ++j) ASSERT_EQ(out[k * d + j], static_cast<TypeParam>(0.25 * stream.normal()));
    }
  }
}

TYPED_TEST(Noise, RangesOfColumnsGiveTheWhole) {
  constexpr std::int64_t d = 1001;
  const std::vector<NoiseStream> streams = {stream_of(1, 0), stream_of(2, 5)};
  std::vector<TypeParam> whole(2 * d), parts(2 * d);
  shoal::fill_normals<TypeParam>({whole.data(), 2, d}, key, streams, 1);
  const std::int64_t cuts[] = {0, 0, 1, 2, 5, 500, d};
  for (std::size_t c = 0; c + 1 < std::size(cuts); ++c)
    shoal::fill_normals<TypeParam>({parts.data() + cuts[c], 2, cuts[c + 1] - cuts[c], d}, key, streams, 1, cuts[c]);
  EXPECT_EQ(parts, whole);
}

TYPED_TEST(Noise, IsAddedAfterRounding) {
  const std::vector<NoiseStream> streams = {stream_of(4, 2)};
  std::vector<TypeParam> noise(257), row(257, TypeParam{3});
  shoal::fill_normals<TypeParam>({noise.data(), 1, 257}, key, streams, 0.5);
  shoal::add_normals<TypeParam>({row.data(), 1, 257}, key, streams, 0.5);
  for (std::size_t j = 0; j < row.size(); ++j) EXPECT_EQ(row[j], TypeParam{3} + noise[j]);
}

TYPED_TEST(Noise, LeavesMemoryOutsideTheRowsAlone) {
  std::vector<TypeParam> out(20, TypeParam{-9});
  const std::vector<NoiseStream> streams = {stream_of(1, 0), stream_of(2, 0)};
  shoal::fill_normals<TypeParam>({out.data() + 1, 2, 5, 9}, key, streams, 1, 3);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool inside = (i >= 1 && i < 6) || (i >= 10 && i < 15);
    EXPECT_EQ(out[i] != TypeParam{-9}, inside) << i;
  }
}

TEST(NoiseOfDoubles, HasTheMomentsOfANormal) {
  constexpr std::size_t n = 1'000'003;
  std::vector<double> z(n);
  const std::vector<NoiseStream> streams = {stream_of(8, 1)};
  shoal::fill_normals<double>({z.data(), 1, std::ssize(z)}, key, streams, 1);
  double moment[5] = {}, neighbours = 0;
  for (std::size_t i = 0; i < n; ++i) {
    ASSERT_TRUE(std::isfinite(z[i]));
    for (int p = 1; p < 5; ++p) moment[p] += std::pow(z[i], p) / n;
    if (i > 0) neighbours += z[i] * z[i - 1] / n;
  }
  // Five standard deviations of each mean: variances 1, 2, 15, 96 and 1 over n.
  EXPECT_NEAR(moment[1], 0, 5e-3);
  EXPECT_NEAR(moment[2], 1, 5e-3 * std::sqrt(2));
  EXPECT_NEAR(moment[3], 0, 5e-3 * std::sqrt(15));
  EXPECT_NEAR(moment[4], 3, 5e-3 * std::sqrt(96));
  EXPECT_NEAR(neighbours, 0, 5e-3);

  // Kolmogorov: the largest distance from the distribution function passes 2.2 / sqrt(n) once in 8,000 times.
  std::ranges::sort(z);
  double distance = 0;
  for (std::size_t i = 0; i < n; ++i)
    distance = std::max(distance, std::abs(std::erfc(-z[i] / std::sqrt(2.0)) / 2 - (i + 0.5) / n));
  EXPECT_LT(distance, 2.2e-3);
}

TYPED_TEST(Noise, RefusesWrongStreamsAndColumns) {
  std::vector<TypeParam> out(6);
  const RowView<TypeParam> rows(out.data(), 2, 3);
  const std::vector<NoiseStream> one(1), two(2);
  EXPECT_THROW(shoal::fill_normals<TypeParam>(rows, key, one, 1), std::invalid_argument);
  EXPECT_THROW(shoal::add_normals<TypeParam>(rows, key, two, 1, -1), std::invalid_argument);
  EXPECT_THROW(shoal::add_normals<TypeParam>(rows, key, two, 1, (std::int64_t{1} << 33) - 2), std::invalid_argument);
  EXPECT_NO_THROW(shoal::add_normals<TypeParam>(rows, key, two, 1, (std::int64_t{1} << 33) - 3));
}

}  // namespace
