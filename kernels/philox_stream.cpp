#include "kernels/philox_stream.hpp"

#include <immintrin.h>

#include <algorithm>

namespace shoal {
namespace {

// Four blocks at a time, each 32-bit number in the lower half of a 64-bit lane: products need no shuffles, and what the
// upper halves hold is never looked at.
void four_blocks(std::uint32_t* out, const PhiloxStream& stream, std::int64_t first) {
  const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i a = _mm256_set1_epi64x(stream.row[0]), b = _mm256_set1_epi64x(stream.row[1]);
  __m256i c = _mm256_set1_epi64x(stream.row[2]);
  __m256i d = _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_setr_epi64x(0, 1, 2, 3));
  std::uint32_t k0 = stream.key.word[0], k1 = stream.key.word[1];
  for (int round = 0; round < 10; ++round) {
    const __m256i p0 = _mm256_mul_epu32(a, m0), p1 = _mm256_mul_epu32(c, m1);
    a = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), b), _mm256_set1_epi64x(k0));
    b = p1;
    c = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), d), _mm256_set1_epi64x(k1));
    d = p0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  const __m256i ab = _mm256_or_si256(_mm256_and_si256(a, low), _mm256_slli_epi64(b, 32));
  const __m256i cd = _mm256_or_si256(_mm256_and_si256(c, low), _mm256_slli_epi64(d, 32));
  const __m256i even = _mm256_unpacklo_epi64(ab, cd), odd = _mm256_unpackhi_epi64(ab, cd);  // blocks 0, 2 and 1, 3
  auto* to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

}  // namespace

void philox_words(std::span<std::uint32_t> words, const PhiloxStream& stream, std::int64_t first_block) {
  std::size_t i = 0;
  for (; i + 16 <= words.size(); i += 16)
    four_blocks(words.data() + i, stream, first_block + static_cast<std::int64_t>(i / 4));
  if (i == words.size()) return;
  std::uint32_t last[16];
  four_blocks(last, stream, first_block + static_cast<std::int64_t>(i / 4));
  std::copy_n(last, words.size() - i, words.data() + i);
}

}  // namespace shoal
