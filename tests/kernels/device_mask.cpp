// Do masks and ring arithmetic on the device have the bits of the host?
#include <gtest/gtest.h>
#include <sodium/crypto_stream_chacha20.h>

#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/mask.hpp"
#include "kernels/ring.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;
using shoal::Mask;

constexpr std::size_t sizes[] = {0, 1, 31, 257, 1'000'003};

template <class T>
DeviceArray<T> there(shoal::OnDevice device, const std::vector<T>& values) {
  return DeviceArray<T>(device, std::span<const T>(values));
}

std::vector<Mask> some_masks(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Mask> masks(count);
  for (Mask& mask : masks) {
    for (auto& word : mask.stream.key) word = random();
    for (auto& word : mask.stream.nonce) word = random();
    mask.sign = random() % 2 == 0 ? shoal::MaskSign::plus : shoal::MaskSign::minus;
  }
  return masks;
}

template <class Word>
class DeviceRing : public Device {};
using Words = testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(DeviceRing, Words);

TYPED_TEST(DeviceRing, MasksEqualTheHost) {
  using Word = TypeParam;
  const auto masks = some_masks(5, 11);
  const auto device_masks = there(this->device, masks);
  for (const std::size_t n : sizes)
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{5}, shoal::mask_words<Word> - n}) {
      std::vector<Word> sum(n);
      for (std::size_t i = 0; i < n; ++i) sum[i] = i * 0x9e3779b97f4a7c15u;
      auto device_sum = there(this->device, sum);
      shoal::add_masks<Word>(this->device, device_sum.data(), n, device_masks.data(), 5, first);
      shoal::add_masks<Word>(sum, masks, first);
      EXPECT_EQ(this->on_host(device_sum), sum) << n << " from " << first;
    }
}

TYPED_TEST(DeviceRing, RefusesWordsBeyondTheStream) {
  using Word = TypeParam;
  const auto masks = there(this->device, some_masks(1, 11));
  auto sum = there(this->device, std::vector<Word>(4));
  EXPECT_THROW(shoal::add_masks<Word>(this->device, sum.data(), 4, masks.data(), 1, shoal::mask_words<Word> - 3),
               std::invalid_argument);
}

// Random keys, nonces and block numbers, and the last block number.
TYPED_TEST(DeviceRing, KeyStreamsEqualTheLibrary) {
  using Word = TypeParam;
  std::mt19937 random(12);
  for (int i = 0; i < 2'000; ++i) {
    const Mask mask = some_masks(1, 100 + i).front();
    const std::uint32_t block = i == 0 ? 0xffffffff : random();
    constexpr std::size_t words = 64 / sizeof(Word);
    auto sum = there(this->device, std::vector<Word>(words));
    const auto device_mask = there(this->device, std::vector<Mask>{mask});
    shoal::add_masks<Word>(this->device, sum.data(), words, device_mask.data(), 1, std::uint64_t{block} * words);
    unsigned char expected[64] = {};
    crypto_stream_chacha20_ietf_xor_ic(expected, expected, 64,
                                       reinterpret_cast<const unsigned char*>(mask.stream.nonce), block,
                                       reinterpret_cast<const unsigned char*>(mask.stream.key));
    std::vector<Word> found = this->on_host(sum);
    for (Word& word : found) word *= static_cast<std::int64_t>(mask.sign);
    ASSERT_EQ(0, std::memcmp(found.data(), expected, 64)) << i;
  }
}

TYPED_TEST(DeviceRing, ArithmeticEqualsTheHost) {
  using Word = TypeParam;
  std::mt19937 random(13);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const std::size_t n : sizes) {
    const std::int64_t size = n;
    std::vector<float> row(n);
    for (float& x : row) x = uniform(random);
    std::vector<Word> sum(n), x(n);
    for (Word& word : x) word = random() * 0x9e3779b97f4a7c15u;
    shoal::ring_encode<Word, float>(sum, row, -600, 21);
    const auto device_row = there(this->device, row);
    const auto device_x = there(this->device, x);
    DeviceArray<Word> device_sum(this->device, n);
    DeviceArray<std::uint32_t> failed(this->device, 1);
    failed.zero();
    shoal::ring_encode<Word, float>(this->device, device_sum.data(), device_row.data(), size, -600, 21, failed.data());
    EXPECT_EQ(this->on_host(device_sum), sum);
    EXPECT_EQ(this->on_host(failed)[0], 0u);
    shoal::ring_add<Word>(this->device, device_sum.data(), device_x.data(), size);
    shoal::ring_add<Word>(sum, x);
    EXPECT_EQ(this->on_host(device_sum), sum);
    shoal::ring_subtract<Word>(this->device, device_sum.data(), device_x.data(), size);
    shoal::ring_subtract<Word>(sum, x);
    EXPECT_EQ(this->on_host(device_sum), sum);
    DeviceArray<float> device_mean(this->device, n);
    shoal::ring_decode<Word, float>(this->device, device_mean.data(), device_sum.data(), size, 21, 1234.5);
    std::vector<float> mean(n);
    shoal::ring_decode<Word, float>(mean, sum, 21, 1234.5);
    EXPECT_EQ(this->on_host(device_mean), mean);
  }
}

TYPED_TEST(DeviceRing, CountsValuesThatDoNotFit) {
  using Word = TypeParam;
  constexpr int bits = std::numeric_limits<Word>::digits;
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> row = {1, inf, -inf, nan, -1, 2, -2, 4, 0, 1e300};
  const auto device_row = there(this->device, row);
  DeviceArray<Word> out(this->device, row.size());
  DeviceArray<std::uint32_t> failed(this->device, 1);
  const auto encode = [&](std::int64_t weight) {
    failed.zero();
    shoal::ring_encode<Word, double>(this->device, out.data(), device_row.data(), 10, weight, 0, failed.data());
  };
  // 2 and -2 reach the limit, 4 wraps around to 0: the host refuses all three, each alone.
  constexpr std::int64_t half = std::int64_t{1} << (bits - 2);
  encode(half);
  EXPECT_EQ(this->on_host(failed)[0], 7u);
  EXPECT_EQ(this->on_host(out),
            (std::vector<Word>{Word{1} << (bits - 2), 0, 0, 0, Word{3} << (bits - 2), 0, 0, 0, 0, 0}));
  for (const double x : row) {
    std::vector<Word> one(1);
    failed.zero();
    const auto device_x = there(this->device, std::vector<double>{x});
    shoal::ring_encode<Word, double>(this->device, out.data(), device_x.data(), 1, half, 0, failed.data());
    bool refused = false;
    try {
      shoal::ring_encode<Word, double>(one, std::vector<double>{x}, half, 0);
    } catch (const std::overflow_error&) {
      refused = true;
    }
    EXPECT_EQ(this->on_host(failed)[0], refused ? 1u : 0u) << x;
  }
  encode(0);  // nothing can overflow, but values that are not finite must be refused
  EXPECT_EQ(this->on_host(failed)[0], 3u);
}

}  // namespace
