#include "kernels/mask_wide.hpp"

#include <immintrin.h>

#include <bit>
#include <utility>

// GCC 12 warns of the undefined vectors in its own headers.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#define SHOAL_WIDE __attribute__((target("avx512f"), always_inline)) inline

namespace shoal {
namespace {

SHOAL_WIDE void quarter_round(__m512i& a, __m512i& b, __m512i& c, __m512i& d) {
  a = _mm512_add_epi32(a, b), d = _mm512_rol_epi32(_mm512_xor_si512(d, a), 16);
  c = _mm512_add_epi32(c, d), b = _mm512_rol_epi32(_mm512_xor_si512(b, c), 12);
  a = _mm512_add_epi32(a, b), d = _mm512_rol_epi32(_mm512_xor_si512(d, a), 8);
  c = _mm512_add_epi32(c, d), b = _mm512_rol_epi32(_mm512_xor_si512(b, c), 7);
}

// Lane l of v[w] is word w of block l; afterwards v[l] is block l.
SHOAL_WIDE void transpose(__m512i (&v)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 4) {
    const __m512i a = _mm512_unpacklo_epi32(v[i], v[i + 1]), b = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    const __m512i c = _mm512_unpacklo_epi32(v[i + 2], v[i + 3]), d = _mm512_unpackhi_epi32(v[i + 2], v[i + 3]);
    t[i] = _mm512_unpacklo_epi64(a, c), t[i + 1] = _mm512_unpackhi_epi64(a, c);
    t[i + 2] = _mm512_unpacklo_epi64(b, d), t[i + 3] = _mm512_unpackhi_epi64(b, d);
  }
  // Now t[4 g + j] holds words 4 g to 4 g + 3 of the blocks j, 4 + j, 8 + j and 12 + j.
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(t[j], t[4 + j], 0x44), b = _mm512_shuffle_i32x4(t[j], t[4 + j], 0xee);
    const __m512i c = _mm512_shuffle_i32x4(t[8 + j], t[12 + j], 0x44),
                  d = _mm512_shuffle_i32x4(t[8 + j], t[12 + j], 0xee);
    v[j] = _mm512_shuffle_i32x4(a, c, 0x88), v[4 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    v[8 + j] = _mm512_shuffle_i32x4(b, d, 0x88), v[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
}

template <class Word, bool plus>
SHOAL_WIDE void add_block(Word* sum, __m512i block) {
  const __m512i before = _mm512_loadu_si512(sum);
  __m512i after;
  if constexpr (sizeof(Word) == 4) {
    after = plus ? _mm512_add_epi32(before, block) : _mm512_sub_epi32(before, block);
  } else {
    after = plus ? _mm512_add_epi64(before, block) : _mm512_sub_epi64(before, block);
  }
  _mm512_storeu_si512(sum, after);
}

template <class Word, bool plus>
__attribute__((target("avx512f"))) void add(Word* sum, std::size_t steps, const ChaChaKey& stream,
                                            std::uint32_t block) {
  __m512i start[16], v[16];
  constexpr std::uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (int i = 0; i < 4; ++i) start[i] = _mm512_set1_epi32(std::bit_cast<int>(constants[i]));
  for (int i = 0; i < 8; ++i) start[4 + i] = _mm512_set1_epi32(std::bit_cast<int>(stream.key[i]));
  for (int i = 0; i < 3; ++i) start[13 + i] = _mm512_set1_epi32(std::bit_cast<int>(stream.nonce[i]));
  start[12] = _mm512_add_epi32(_mm512_set1_epi32(std::bit_cast<int>(block)),
                               _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  constexpr std::size_t per_block = 64 / sizeof(Word);
  for (std::size_t step = 0; step < steps; ++step, sum += 16 * per_block) {
    for (int i = 0; i < 16; ++i) v[i] = start[i];
    for (int round = 0; round < 10; ++round) {
      quarter_round(v[0], v[4], v[8], v[12]);
      quarter_round(v[1], v[5], v[9], v[13]);
      quarter_round(v[2], v[6], v[10], v[14]);
      quarter_round(v[3], v[7], v[11], v[15]);
      quarter_round(v[0], v[5], v[10], v[15]);
      quarter_round(v[1], v[6], v[11], v[12]);
      quarter_round(v[2], v[7], v[8], v[13]);
      quarter_round(v[3], v[4], v[9], v[14]);
    }
    for (int i = 0; i < 16; ++i) v[i] = _mm512_add_epi32(v[i], start[i]);
    transpose(v);
    for (int i = 0; i < 16; ++i) add_block<Word, plus>(sum + i * per_block, v[i]);
    start[12] = _mm512_add_epi32(start[12], _mm512_set1_epi32(16));
  }
}

}  // namespace

bool has_wide_masks() {
  static const bool has = __builtin_cpu_supports("avx512f");
  return has;
}

template <class Word>
void add_mask_wide(Word* sum, std::size_t steps, const Mask& mask, std::uint32_t block) {
  if (mask.sign == MaskSign::plus)
    add<Word, true>(sum, steps, mask.stream, block);
  else
    add<Word, false>(sum, steps, mask.stream, block);
}

template void add_mask_wide<std::uint32_t>(std::uint32_t*, std::size_t, const Mask&, std::uint32_t);
template void add_mask_wide<std::uint64_t>(std::uint64_t*, std::size_t, const Mask&, std::uint32_t);

}  // namespace shoal
