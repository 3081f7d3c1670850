// Are masks the key streams of the published cipher, and do they vanish from the sum over clients?
#include "kernels/mask.hpp"

#include <gtest/gtest.h>
#include <sodium/crypto_stream_chacha20.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

using shoal::Mask;
using shoal::MaskSign;

// RFC 8439: section 2.3.2, and appendix A.1, vectors 1 and 2.
static_assert(shoal::chacha20({}, 0).word[0] == 0xade0b876);

shoal::ChaChaKey counting_key() {
  shoal::ChaChaKey k{.key = {}, .nonce = {0x09000000, 0x4a000000, 0}};
  for (std::uint32_t i = 0; i < 8; ++i) k.key[i] = 0x03020100 + 0x04040404 * i;
  return k;
}

TEST(ChaCha20, GivesTheBlocksOfTheStandard) {
  const std::array<std::uint32_t, 16> expected = {
      0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
  EXPECT_TRUE(std::ranges::equal(shoal::chacha20(counting_key(), 1).word, expected));
  const std::array<std::uint32_t, 8> zero_key = {0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653,
                                                 0xb819d2bd, 0x1aed8da0, 0xccef36a8, 0xc70d778b};
  const auto block = shoal::chacha20({}, 0);
  EXPECT_TRUE(std::equal(zero_key.begin(), zero_key.end(), block.word));
}

template <class Word>
class Masks : public testing::Test {};
using Words = testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(Masks, Words);

Mask random_mask(std::mt19937_64& random, MaskSign sign) {
  std::array<std::uint8_t, 32> seed;
  std::array<std::uint8_t, 12> nonce;
  for (auto& byte : seed) byte = random();
  for (auto& byte : nonce) byte = random();
  return shoal::mask(seed, nonce, sign);
}

// The first `words` of a mask straight from the library.
template <class Word>
std::vector<Word> stream(const Mask& mask, std::size_t words) {
  std::vector<Word> out(words);
  if (words == 0) return out;  // the library wants an address
  crypto_stream_chacha20_ietf(reinterpret_cast<unsigned char*>(out.data()), words * sizeof(Word),
                              reinterpret_cast<const unsigned char*>(mask.stream.nonce),
                              reinterpret_cast<const unsigned char*>(mask.stream.key));
  return out;
}

TYPED_TEST(Masks, FollowTheStandardInLittleEndianOrder) {
  using Word = TypeParam;
  std::array<std::uint8_t, 32> seed;
  for (std::uint8_t i = 0; i < 32; ++i) seed[i] = i;
  const std::array<std::uint8_t, 12> nonce = {0, 0, 0, 9, 0, 0, 0, 0x4a};
  const Mask mask = shoal::mask(seed, nonce, MaskSign::plus);
  const shoal::ChaChaKey words = counting_key();
  EXPECT_EQ(0, std::memcmp(&mask.stream, &words, sizeof words));
  std::vector<Word> sum(64 / sizeof(Word));
  shoal::add_masks<Word>(sum, {&mask, 1}, 64 / sizeof(Word));  // block 1
  const std::array<std::uint8_t, 16> expected = {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15,
                                                 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4};
  EXPECT_EQ(0, std::memcmp(sum.data(), expected.data(), expected.size()));
}

TYPED_TEST(Masks, AreAddedWithTheirSigns) {
  using Word = TypeParam;
  std::mt19937_64 random(3);
  const std::vector<Mask> masks = {random_mask(random, MaskSign::plus), random_mask(random, MaskSign::minus),
                                   random_mask(random, MaskSign::plus)};
  for (const std::size_t n : {0, 1, 31, 257, 1'000'003}) {
    std::vector<Word> sum(n), expected(n);
    for (std::size_t i = 0; i < n; ++i) sum[i] = expected[i] = i * 0x9e3779b97f4a7c15u;
    for (const Mask& mask : masks) {
      const auto words = stream<Word>(mask, n);
      for (std::size_t i = 0; i < n; ++i) expected[i] += mask.sign == MaskSign::plus ? words[i] : Word{0} - words[i];
    }
    shoal::add_masks<Word>(sum, masks);
    EXPECT_EQ(sum, expected) << n;
  }
}

TYPED_TEST(Masks, DoNotDependOnHowTheVectorIsCut) {
  using Word = TypeParam;
  std::mt19937_64 random(4);
  const std::vector<Mask> masks = {random_mask(random, MaskSign::plus), random_mask(random, MaskSign::minus)};
  std::vector<Word> whole(10'007);
  shoal::add_masks<Word>(whole, masks);
  for (const std::size_t length : {1, 7, 16, 100, 513, 5'000}) {
    std::vector<Word> pieces(whole.size());
    for (std::size_t begin = 0; begin < whole.size(); begin += length)
      shoal::add_masks<Word>(std::span(pieces).subspan(begin, std::min(length, whole.size() - begin)), masks, begin);
    EXPECT_EQ(pieces, whole) << length;
  }
}

// Steps of a kilobyte and what is left at either end, in random combinations.
TYPED_TEST(Masks, EqualTheLibrarysStreams) {
  using Word = TypeParam;
  std::mt19937_64 random(6);
  for (int trial = 0; trial < 10'000; ++trial) {
    const Mask mask = random_mask(random, trial % 2 == 0 ? MaskSign::plus : MaskSign::minus);
    const std::size_t n = random() % 1'200, first = trial % 3 == 0 ? 0 : random() % 600;
    std::vector<Word> sum(n);
    shoal::add_masks<Word>(sum, {&mask, 1}, first);
    std::vector<Word> expected = stream<Word>(mask, first + n);
    expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(first));
    if (mask.sign == MaskSign::minus) {
      for (Word& word : expected) word = Word{0} - word;
    }
    ASSERT_EQ(sum, expected) << n << " words from " << first;
  }
}

TYPED_TEST(Masks, EndWithTheBlockCounter) {
  using Word = TypeParam;
  std::mt19937_64 random(5);
  const Mask mask = random_mask(random, MaskSign::plus);
  std::vector<Word> last(3), none;
  shoal::add_masks<Word>(last, {&mask, 1}, shoal::mask_words<Word> - 3);
  const auto block = shoal::chacha20(mask.stream, 0xffffffff);
  EXPECT_EQ(
      0, std::memcmp(last.data(), reinterpret_cast<const char*>(block.word) + 64 - sizeof(Word) * 3, sizeof(Word) * 3));
  EXPECT_NO_THROW(shoal::add_masks<Word>(none, {&mask, 1}, shoal::mask_words<Word>));
  EXPECT_THROW(shoal::add_masks<Word>(last, {&mask, 1}, shoal::mask_words<Word> - 2), std::invalid_argument);
  EXPECT_THROW(shoal::add_masks<Word>(none, {&mask, 1}, shoal::mask_words<Word> + 1), std::invalid_argument);
}

TYPED_TEST(Masks, CancelInTheSumOverClients) {
  using Word = TypeParam;
  constexpr std::size_t d = 1'003;
  for (std::size_t n = 2; n <= 20; ++n) {
    std::mt19937_64 random(n);
    std::vector<std::vector<Mask>> of_client(n);
    for (std::size_t u = 0; u < n; ++u)
      for (std::size_t v = u + 1; v < n; ++v) {
        of_client[u].push_back(random_mask(random, MaskSign::plus));
        of_client[v].push_back(of_client[u].back());
        of_client[v].back().sign = MaskSign::minus;
      }
    std::vector<Word> plain(d), masked(d);
    for (std::size_t u = 0; u < n; ++u) {
      std::vector<Word> x(d);
      for (Word& word : x) word = random();
      std::vector<Word> y = x;
      shoal::add_masks<Word>(y, of_client[u]);
      EXPECT_NE(x, y);
      for (std::size_t i = 0; i < d; ++i) {
        plain[i] += x[i];
        masked[i] += y[i];
      }
    }
    EXPECT_EQ(masked, plain) << n;
  }
}

// One client's masked vector must look uniform whatever it holds. Chi-square over the values of each byte with 255
// degrees of freedom: the two-sided test at significance 1e-4 accepts 176.3 to 352.5 (the seed is fixed, so the result
// is too).
TYPED_TEST(Masks, HideAVectorInUniformBytes) {
  using Word = TypeParam;
  std::mt19937_64 random(6);
  const Mask mask = random_mask(random, MaskSign::plus);
  constexpr std::size_t d = 1 << 16;
  for (const Word value : {Word{0}, Word{0xffff}}) {
    std::vector<Word> y(d, value);
    shoal::add_masks<Word>(y, {&mask, 1});
    for (std::size_t byte = 0; byte < sizeof(Word); ++byte) {
      std::array<double, 256> count{};
      for (const Word word : y) ++count[(word >> (8 * byte)) & 0xff];
      double chi_square = 0;
      for (const double c : count) chi_square += (c - d / 256.0) * (c - d / 256.0) / (d / 256.0);
      EXPECT_GT(chi_square, 176.3) << byte;
      EXPECT_LT(chi_square, 352.5) << byte;
    }
  }
}

}  // namespace
