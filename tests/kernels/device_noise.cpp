// Does the device's noise equal the host's, except for the last bits of its own logarithm, sine and cosine?
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/noise.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;
using shoal::NoiseStream;
using shoal::PhiloxKey;

constexpr PhiloxKey key{{7, 11}};

template <class T>
class DeviceNoise : public Device {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(DeviceNoise, Reals);

TYPED_TEST(DeviceNoise, EqualsTheHost) {
  const std::vector<NoiseStream> streams = {{{0, 0, 0}}, {{3, 1, 4}}, {{5, 0, 9}}};
  const DeviceArray<NoiseStream> there_streams(this->device, std::span<const NoiseStream>(streams));
  for (const std::int64_t d : {0, 1, 31, 257, 1'000'003})
    for (const std::int64_t first : {0, 3}) {
      std::vector<TypeParam> expected(3 * d, TypeParam{1});
      DeviceArray<TypeParam> there(this->device, std::span<const TypeParam>(expected));
      DeviceArray<TypeParam> there_filled(this->device, expected.size());
      shoal::add_normals<TypeParam>(this->device, {there.data(), 3, d}, key, there_streams.data(), 0.5, first);
      shoal::fill_normals<TypeParam>(this->device, {there_filled.data(), 3, d}, key, there_streams.data(), 0.5, first);
      auto filled = expected;
      shoal::add_normals<TypeParam>({expected.data(), 3, d}, key, streams, 0.5, first);
      shoal::fill_normals<TypeParam>({filled.data(), 3, d}, key, streams, 0.5, first);
      const auto added = this->on_host(there), drawn = this->on_host(there_filled);
      // Values stay below 8: two roundings of one unit of T each, and some units of double in the functions.
      const double tolerance = 32 * std::numeric_limits<TypeParam>::epsilon();
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(added[i], expected[i], tolerance) << i << " of " << d;
        ASSERT_NEAR(drawn[i], filled[i], tolerance) << i << " of " << d;
      }
    }
}

TYPED_TEST(DeviceNoise, RefusesWrongColumns) {
  EXPECT_THROW(shoal::fill_normals<TypeParam>(this->device, {nullptr, 0, 3}, key, nullptr, 1, -1),
               std::invalid_argument);
}

}  // namespace
