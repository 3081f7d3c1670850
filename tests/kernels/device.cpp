// Does device memory hold what was written to it, and can arrays be moved and be empty?
#include "kernels/device.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;

TEST_F(Device, ReturnsWhatWasWritten) {
  std::vector<int> values(1'000'003);
  std::iota(values.begin(), values.end(), -5);
  const DeviceArray<int> there(device, std::span<const int>(values));
  EXPECT_EQ(on_host(there), values);
}

TEST_F(Device, ZeroesItsMemory) {
  DeviceArray<double> values(device, 257);
  values.zero();
  EXPECT_EQ(on_host(values), std::vector<double>(257));
}

TEST_F(Device, AllocatesNothingForEmptyArrays) {
  const DeviceArray<float> empty(device, 0);
  EXPECT_EQ(empty.data(), nullptr);
  EXPECT_TRUE(on_host(empty).empty());
}

TEST_F(Device, MovesMemoryWithTheArray) {
  DeviceArray<int> first(device, std::span<const int>(std::vector<int>{1, 2, 3}));
  DeviceArray<int> second = std::move(first);
  EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(on_host(second), (std::vector<int>{1, 2, 3}));
  first = std::move(second);
  EXPECT_EQ(on_host(first), (std::vector<int>{1, 2, 3}));
}

TEST(DeviceDescription, SaysWhereDeviceFormsRun) {
  EXPECT_FALSE(shoal::device_description().empty());
  EXPECT_GE(shoal::gpu_count(), 0);
}

}  // namespace
