// Does the hash follow the definition in its header, and does every change of an array change it?
#include "kernels/tensor_hash.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace {

using Words = std::vector<std::uint64_t>;

// The header's definition, word by word, on a copy padded with zeros.
std::uint64_t mix(std::uint64_t h) {
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ULL;
  h ^= h >> 33;
  return h;
}

std::uint64_t chunk(const Words& words) {
  std::vector<std::uint64_t> lanes;
  for (std::uint64_t l = 0; l < 32; ++l) lanes.push_back(mix(l + 1));
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint64_t& h = lanes[i % 32];
    h ^= words[i];
    h ^= h >> 29;
    h *= 0x9e3779b97f4a7c15ULL;
  }
  while (lanes.size() > 1) {
    const std::size_t half = lanes.size() / 2;
    for (std::size_t l = 0; l < half; ++l) lanes[l] = mix(lanes[l] + 0xd6e8feb86659fd93ULL * lanes[l + half]);
    lanes.resize(half);
  }
  return lanes[0];
}

std::uint64_t root(const Words& words) {
  Words level;
  for (std::size_t begin = 0; begin == 0 || begin < words.size(); begin += 4096)
    level.push_back(chunk({words.begin() + begin, words.begin() + std::min(begin + 4096, words.size())}));
  return level.size() == 1 ? level[0] : root(level);
}

template <class T>
std::uint64_t by_definition(const std::vector<T>& values) {
  const std::size_t bytes = values.size() * sizeof(T);
  Words words((bytes + 7) / 8);
  if (bytes > 0) std::memcpy(words.data(), values.data(), bytes);
  return mix(root(words) ^ bytes);
}

template <class T>
std::vector<T> random_values(std::size_t n) {
  std::mt19937_64 random(1);
  std::vector<T> values(n);
  for (T& value : values) value = static_cast<std::int64_t>(random()) >> 32;
  return values;
}

template <class T>
std::uint64_t hash(const std::vector<T>& values) {
  return shoal::tensor_hash<T>(values);
}

template <class T>
class TensorHash : public testing::Test {};
using Types = testing::Types<float, double, std::int32_t, std::int64_t>;
TYPED_TEST_SUITE(TensorHash, Types);

TYPED_TEST(TensorHash, FollowsItsDefinition) {
  for (const std::size_t n : {0, 1, 2, 31, 63, 64, 65, 257, 4095, 4096, 4097, 8191, 8192, 8193, 1'000'003}) {
    const auto values = random_values<TypeParam>(n);
    EXPECT_EQ(hash(values), by_definition(values)) << n;
  }
}

TEST(TensorHashOfFloats, ADeepTreeFollowsItsDefinition) {
  const auto values = random_values<float>(2 * 4096 * 4096 + 5);  // three levels
  EXPECT_EQ(hash(values), by_definition(values));
}

TYPED_TEST(TensorHash, DoesNotDependOnAlignment) {
  const auto values = random_values<TypeParam>(9001);
  std::vector<TypeParam> shifted(values.size() + 1);
  std::copy(values.begin(), values.end(), shifted.begin() + 1);
  EXPECT_EQ(shoal::tensor_hash<TypeParam>(std::span<const TypeParam>(shifted).subspan(1)), hash(values));
}

TYPED_TEST(TensorHash, EveryChangedBitShows) {
  auto values = random_values<TypeParam>(257);
  std::set<std::uint64_t> seen = {hash(values)};
  auto* bytes = reinterpret_cast<unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size() * sizeof(TypeParam); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] ^= 1 << bit;
      EXPECT_TRUE(seen.insert(hash(values)).second) << "byte " << i << ", bit " << bit;
      bytes[i] ^= 1 << bit;
    }
}

TYPED_TEST(TensorHash, LengthAndOrderShow) {
  std::set<std::uint64_t> seen;
  for (std::size_t n = 0; n < 300; ++n) EXPECT_TRUE(seen.insert(hash(std::vector<TypeParam>(n))).second) << n;
  auto values = random_values<TypeParam>(300);
  EXPECT_TRUE(seen.insert(hash(values)).second);
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    std::swap(values[i], values[i + 1]);
    EXPECT_TRUE(seen.insert(hash(values)).second) << i;
    std::swap(values[i], values[i + 1]);
  }
}

TEST(TensorHashOfFloats, FlippedSignsDoNotCancel) {
  // Sign bits are the highest of their words and half words: with badly placed shifts and products, a pair of them in
  // one lane, or a pair and a single one, would cancel whatever the other bits are.
  std::set<std::set<std::size_t>> changes = {{}};
  for (std::size_t i = 0; i < 256; ++i)
    for (std::size_t j = i + 1; j < 256; ++j) {
      changes.insert({i, j});
      changes.insert({i, j, j ^ 1});
    }
  std::set<std::uint64_t> seen;
  for (const auto& change : changes) {
    std::vector<float> values(256, 1.0f);
    for (const std::size_t i : change) values[i] = -1;
    seen.insert(hash(values));
  }
  EXPECT_EQ(seen.size(), changes.size());
}

TEST(TensorHashOfFloats, BitsCountNotValues) {
  EXPECT_NE(hash(std::vector<float>{0.0f}), hash(std::vector<float>{-0.0f}));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(hash(std::vector<float>{nan}), hash(std::vector<float>{nan}));
  EXPECT_NE(hash(std::vector<float>{nan}),
            hash(std::vector<float>{std::bit_cast<float>(std::bit_cast<std::uint32_t>(nan) + 1)}));
  EXPECT_NE(hash(std::vector<float>{INFINITY}), hash(std::vector<float>{-INFINITY}));
}

TEST(TensorHashOfFloats, AChangedBitChangesHalfOfTheHash) {
  auto values = random_values<float>(20'000);
  const std::uint64_t before = hash(values);
  double changed = 0;
  constexpr int trials = 1000;
  for (int i = 0; i < trials; ++i) {
    float& value = values[20 * i];
    value = -value;
    changed += std::popcount(hash(values) ^ before);
    value = -value;
  }
  // 64,000 fair bits: mean 32 a hash, standard deviation of the mean 4 / sqrt(1000); six of them.
  EXPECT_NEAR(changed / trials, 32, 0.76);
}

}  // namespace
