// Do products and distances of rows on the device agree with the host's, and keep their bits in any shards? Are
// combinations the same bits?
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/gram.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;
using shoal::gram_chunk;
using shoal::RowView;

std::vector<float> random_values(std::int64_t n, std::int64_t d) {
  std::mt19937 random(31 * n + d);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(n * d);
  for (float& value : values) value = uniform(random);
  return values;
}

class DeviceGram : public Device {
 protected:
  std::vector<double> matrix(std::int64_t n, const auto& add) {
    DeviceArray<double> result(device, n * n);
    result.zero();
    add(result.data());
    return on_host(result);
  }
};

TEST_F(DeviceGram, AgreesWithTheHost) {
  for (const std::int64_t n : {1, 3, 32, 33, 100}) {
    for (const std::int64_t d : {0, 1, 31, 257, 2049, 5000}) {
      const auto x = random_values(n, d), centre = random_values(1, d);
      const auto scale = shoal::gram_scale(2, d);
      const DeviceArray<float> x_there(device, std::span<const float>(x)),
          c_there(device, std::span<const float>(centre));
      const RowView<const float> there(x_there.data(), n, d), here(x.data(), n, d);
      const auto gram = matrix(n, [&](double* to) { shoal::add_gram(device, there, c_there.data(), scale, to); });
      const auto raw = matrix(n, [&](double* to) { shoal::add_gram(device, there, nullptr, scale, to); });
      const auto far = matrix(n, [&](double* to) { shoal::add_squared_distances(device, there, scale, to); });
      std::vector<double> gram_here(gram.size()), raw_here(gram.size()), far_here(gram.size());
      shoal::add_gram(here, centre, scale, gram_here);
      shoal::add_gram(here, {}, scale, raw_here);
      shoal::add_squared_distances(here, scale, far_here);
      for (std::size_t p = 0; p < gram.size(); ++p) {
        ASSERT_NEAR(gram[p], gram_here[p], 1e-6 * (d + 1)) << n << " " << d;
        ASSERT_NEAR(raw[p], raw_here[p], 1e-6 * (d + 1));
        ASSERT_NEAR(far[p], far_here[p], 1e-6 * far_here[p] + 1e-9);
      }
    }
  }
}

TEST_F(DeviceGram, ShardsGiveTheBitsOfTheWhole) {
  const std::int64_t n = 40, d = 3 * gram_chunk + 50;
  const auto x = random_values(n, d);
  const auto scale = shoal::gram_scale(2, d);
  const DeviceArray<float> there(device, std::span<const float>(x));
  const auto whole = matrix(n, [&](double* to) { shoal::add_gram(device, {there.data(), n, d}, nullptr, scale, to); });
  const auto parts = matrix(n, [&](double* to) {
    const std::int64_t cut = 2 * gram_chunk;
    shoal::add_gram(device, {there.data() + cut, n, d - cut, d}, nullptr, scale, to);
    shoal::add_gram(device, {there.data(), n, cut, d}, nullptr, scale, to);
  });
  EXPECT_EQ(parts, whole);
}

TEST_F(DeviceGram, CombinesWithTheSameBitsAsTheHost) {
  for (const std::int64_t m : {1, 4, 6}) {
    for (const std::int64_t n : {1, 100}) {
      for (const std::int64_t d : {0, 1, 31, 10'007}) {
        const auto x = random_values(n, d);
        std::vector<double> weights(m * n);
        for (std::size_t w = 0; w < weights.size(); ++w) weights[w] = std::sin(w);
        std::vector<float> expected(m * d);
        shoal::combine(weights, {x.data(), n, d}, {expected.data(), m, d});
        const DeviceArray<float> x_there(device, std::span<const float>(x));
        const DeviceArray<double> w_there(device, std::span<const double>(weights));
        DeviceArray<float> out(device, expected.size());
        shoal::combine(device, w_there.data(), {x_there.data(), n, d}, {out.data(), m, d});
        EXPECT_EQ(on_host(out), expected);
      }
    }
  }
}

}  // namespace
