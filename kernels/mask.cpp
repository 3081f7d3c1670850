#include "kernels/mask.hpp"

#include <sodium/core.h>
#include <sodium/crypto_stream_chacha20.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels/mask_wide.hpp"

namespace shoal {
namespace {

static_assert(std::endian::native == std::endian::little, "key streams are read as little-endian words");

constexpr std::size_t block_bytes = 64;
// A piece of key stream, the zeros that it is made from and the sums stay in the first-level cache. Measured from 1 to
// 16 KiB: longer pieces leave memory idle while the next one is generated, shorter ones spend their time on calls.
constexpr std::size_t piece_bytes = 2048;

// Until it is initialised, the library generates key streams with portable code at a quarter of the speed.
void choose_fast_implementation() {
  static const bool chosen = sodium_init() >= 0;
  if (!chosen) throw std::runtime_error("libsodium could not be initialised");
}

// `count` words of key stream from word `first`, a multiple of the words in a block.
template <class Word>
void generate(Word* out, std::size_t count, const ChaChaKey& stream, std::uint64_t first) {
  alignas(64) static constexpr unsigned char zeros[piece_bytes] = {};
  // The library gives a range of the stream only by encrypting; zeros encrypt to the stream itself.
  crypto_stream_chacha20_ietf_xor_ic(reinterpret_cast<unsigned char*>(out), zeros, count * sizeof(Word),
                                     reinterpret_cast<const unsigned char*>(stream.nonce),
                                     first * sizeof(Word) / block_bytes,
                                     reinterpret_cast<const unsigned char*>(stream.key));
}

template <class Word>
void add(Word* __restrict sum, const Word* __restrict mask, std::size_t count, MaskSign sign) {
  if (sign == MaskSign::plus)
    for (std::size_t i = 0; i < count; ++i) sum[i] += mask[i];
  else
    for (std::size_t i = 0; i < count; ++i) sum[i] -= mask[i];
}

}  // namespace

Mask mask(std::span<const std::uint8_t, 32> seed, std::span<const std::uint8_t, 12> nonce, MaskSign sign) {
  Mask result{.stream = {}, .sign = sign};
  std::memcpy(result.stream.key, seed.data(), seed.size());
  std::memcpy(result.stream.nonce, nonce.data(), nonce.size());
  return result;
}

template <class Word>
void add_masks(std::span<Word> sum, std::span<const Mask> masks, std::uint64_t first) {
  constexpr std::size_t per_block = block_bytes / sizeof(Word), per_piece = piece_bytes / sizeof(Word);
  if (first > mask_words<Word> || sum.size() > mask_words<Word> - first)
    throw std::invalid_argument("mask of " + std::to_string(sum.size()) + " words from word " + std::to_string(first) +
                                " (a key stream has " + std::to_string(mask_words<Word>) + ")");
  choose_fast_implementation();
  constexpr std::size_t per_step = wide_bytes / sizeof(Word);
  alignas(64) Word piece[per_piece];
  for (std::size_t begin = 0; begin < sum.size();) {
    const std::uint64_t word = first + begin;
    const std::size_t skipped = word % per_block;  // nonzero only at the start: the stream is generated in whole blocks
    const std::size_t n = std::min(per_piece - skipped, sum.size() - begin);
    if (const std::size_t steps = skipped == 0 && has_wide_masks() ? n / per_step : 0; steps > 0) {
      for (const Mask& one : masks) add_mask_wide(sum.data() + begin, steps, one, word / per_block);
      begin += steps * per_step;
      continue;
    }
    for (const Mask& one : masks) {
      generate(piece, skipped + n, one.stream, word - skipped);
      add(sum.data() + begin, piece + skipped, n, one.sign);
    }
    begin += n;
  }
}

template void add_masks<std::uint32_t>(std::span<std::uint32_t>, std::span<const Mask>, std::uint64_t);
template void add_masks<std::uint64_t>(std::span<std::uint64_t>, std::span<const Mask>, std::uint64_t);

}  // namespace shoal
