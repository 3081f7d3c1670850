#pragma once
// Pairwise masks of secure aggregation (Bonawitz et al., CCS 2017, section 4): each is a key stream of ChaCha20 that
// one client of a pair adds and the other subtracts, so that the masks cancel in the sum over clients. A mask is added
// while it is generated and never stored.
//
// Mask word i of a 32-bit ring is bytes 4 i .. 4 i + 3 of the key stream, of a 64-bit ring bytes 8 i .. 8 i + 7, both
// little-endian, counted from block 0. Same bits on host and device, and however a vector is cut into ranges.

#include <cstdint>
#include <span>

#include "kernels/chacha20.hpp"
#include "kernels/launch.hpp"

namespace shoal {

enum class MaskSign : std::int32_t { plus = 1, minus = -1 };

/// Plain data, the same on host and device.
struct Mask {
  ChaChaKey stream;
  MaskSign sign = MaskSign::plus;
};

/// The mask of a 32-byte seed and a 12-byte nonce. Distinct vectors under one seed need distinct nonces: for example
/// 8 bytes of round and 4 bytes of tensor.
Mask mask(std::span<const std::uint8_t, 32> seed, std::span<const std::uint8_t, 12> nonce, MaskSign sign);

/// Words that one (seed, nonce) can mask: the cipher's block counter has 32 bits, so a key stream ends after 256 GiB.
template <class Word>
inline constexpr std::uint64_t mask_words = (std::uint64_t{64} << 32) / sizeof(Word);

/// sum[i] += the sum over masks of sign * mask word (first + i), modulo 2^32 or 2^64; Word = std::uint32_t or
/// std::uint64_t. Costs one pass over `sum` whatever the number of masks, and for each a key stream: on processors with
/// AVX-512 from registers (mask_wide.hpp), otherwise the library's. Throws std::invalid_argument when the range passes
/// mask_words.
template <class Word>
void add_masks(std::span<Word> sum, std::span<const Mask> masks, std::uint64_t first = 0);

/// The same on the device: `sum` has `size` words; `masks` points to `count` of them in device memory.
template <class Word>
void add_masks(OnDevice device, Word* sum, std::int64_t size, const Mask* masks, std::int64_t count,
               std::uint64_t first = 0);

}  // namespace shoal
