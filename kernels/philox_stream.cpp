#include "kernels/philox_stream.hpp"

#include <immintrin.h>

#include <algorithm>

namespace shoal {
namespace {

// Eight blocks at a time as two independent chains, which hide the latency of products. Each 32-bit number is in the
// lower half of a 64-bit lane: products need no shuffles, and the upper halves are never used.
constexpr std::int64_t blocks = 8;

struct FourBlocks {
  __m256i a, b, c, d;

  FourBlocks(const PhiloxStream& stream, std::int64_t first)
      : a(_mm256_set1_epi64x(stream.row[0])),
        b(_mm256_set1_epi64x(stream.row[1])),
        c(_mm256_set1_epi64x(stream.row[2])),
        d(_mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_setr_epi64x(0, 1, 2, 3))) {}

  void round(__m256i k0, __m256i k1) {
    const __m256i p0 = _mm256_mul_epu32(a, _mm256_set1_epi64x(0xD2511F53));
    const __m256i p1 = _mm256_mul_epu32(c, _mm256_set1_epi64x(0xCD9E8D57));
    a = _mm256_xor_si256(_mm256_srli_epi64(p1, 32), _mm256_xor_si256(b, k0));
    b = p1;
    c = _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(d, k1));
    d = p0;
  }

  void store(std::uint32_t* out) const {
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    const __m256i ab = _mm256_or_si256(_mm256_and_si256(a, low), _mm256_slli_epi64(b, 32));
    const __m256i cd = _mm256_or_si256(_mm256_and_si256(c, low), _mm256_slli_epi64(d, 32));
    const __m256i even = _mm256_unpacklo_epi64(ab, cd), odd = _mm256_unpackhi_epi64(ab, cd);  // blocks 0, 2 and 1, 3
    auto* to = reinterpret_cast<__m256i*>(out);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
  }
};

void eight_blocks(std::uint32_t* out, const PhiloxStream& stream, std::int64_t first) {
  FourBlocks one(stream, first), other(stream, first + 4);
  __m256i k0 = _mm256_set1_epi64x(stream.key.word[0]), k1 = _mm256_set1_epi64x(stream.key.word[1]);
  for (int round = 0; round < 10; ++round) {
    one.round(k0, k1);
    other.round(k0, k1);
    k0 = _mm256_add_epi32(k0, _mm256_set1_epi64x(0x9E3779B9));
    k1 = _mm256_add_epi32(k1, _mm256_set1_epi64x(0xBB67AE85));
  }
  one.store(out);
  other.store(out + 16);
}

}  // namespace

void philox_words(std::span<std::uint32_t> words, const PhiloxStream& stream, std::int64_t first_block) {
  constexpr std::size_t size = 4 * blocks;
  for (; words.size() >= size; words = words.subspan(size), first_block += blocks)
    eight_blocks(words.data(), stream, first_block);
  if (words.empty()) return;
  std::uint32_t last[size];
  eight_blocks(last, stream, first_block);
  std::copy_n(last, words.size(), words.data());
}

}  // namespace shoal
