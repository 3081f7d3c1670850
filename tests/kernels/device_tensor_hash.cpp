// Does the device's hash equal the host's?
#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <type_traits>
#include <vector>

#include "kernels/tensor_hash.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;

template <class T>
class DeviceTensorHash : public Device {
 protected:
  std::uint64_t there(const std::vector<T>& values, std::size_t skip = 0) const {
    const DeviceArray<T> copy(device, std::span<const T>(values));
    DeviceArray<std::uint64_t> hash(device, 1);
    shoal::tensor_hash<T>(device, copy.data() + skip, values.size() - skip, hash.data());
    return on_host(hash)[0];
  }
};
using Types = testing::Types<float, double, std::int32_t, std::int64_t>;
TYPED_TEST_SUITE(DeviceTensorHash, Types);

TYPED_TEST(DeviceTensorHash, EqualsTheHost) {
  std::mt19937_64 random(1);
  for (const std::size_t n : {0, 1, 2, 31, 257, 8191, 8192, 8193, 70'001, 1'000'003}) {
    std::vector<TypeParam> values(n);
    for (TypeParam& value : values) value = static_cast<std::int64_t>(random()) >> 30;
    EXPECT_EQ(this->there(values), shoal::tensor_hash<TypeParam>(values)) << n;
    if (n == 0) continue;
    const auto tail = std::span<const TypeParam>(values).subspan(1);  // its address may be no multiple of 8
    EXPECT_EQ(this->there(values, 1), shoal::tensor_hash<TypeParam>(tail)) << n;
  }
}

TYPED_TEST(DeviceTensorHash, EqualsTheHostForSpecialBits) {
  // Among them NaN of either sign, infinities and -0.
  std::vector<TypeParam> values;
  for (const std::uint64_t high :
       {0x7ff80000ULL, 0xfff80001ULL, 0x7ff00000ULL, 0xff800000ULL, 0x7fc00001ULL, 1ULL << 31}) {
    using Bits = std::conditional_t<sizeof(TypeParam) == 8, std::uint64_t, std::uint32_t>;
    values.push_back(std::bit_cast<TypeParam>(static_cast<Bits>(sizeof(TypeParam) == 8 ? high << 32 : high)));
  }
  EXPECT_EQ(this->there(values), shoal::tensor_hash<TypeParam>(values));
}

}  // namespace
