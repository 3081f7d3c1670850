#pragma once
// The ChaCha20 block function for host and device: the cipher of RFC 8439, section 2.3, as a generator of key streams.
// Nir, Langley: ChaCha20 and Poly1305 for IETF protocols, 2018. The device runs this code; the host uses libsodium and
// mask_wide.cpp, which are faster (mask.cpp). All must give the same bits.

#include <cstdint>

#include "kernels/host_device.hpp"

namespace shoal {

/// Key and nonce as the cipher's 32-bit words: little-endian, in the order of their bytes. A pair must never be used
/// for two different masks.
struct ChaChaKey {
  std::uint32_t key[8] = {};    // 32 bytes
  std::uint32_t nonce[3] = {};  // 12 bytes
};

/// 64 bytes of key stream as little-endian words.
struct ChaChaBlock {
  std::uint32_t word[16];
};

SHOAL_HD constexpr std::uint32_t rotate_left(std::uint32_t x, int bits) { return x << bits | x >> (32 - bits); }

SHOAL_HD constexpr void quarter_round(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d) {
  a += b;
  d = rotate_left(d ^ a, 16);
  c += d;
  b = rotate_left(b ^ c, 12);
  a += b;
  d = rotate_left(d ^ a, 8);
  c += d;
  b = rotate_left(b ^ c, 7);
}

/// Block number `counter` of the key stream.
SHOAL_HD constexpr ChaChaBlock chacha20(const ChaChaKey& k, std::uint32_t counter) {
  // "expand 32-byte k"
  const std::uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, k.key[0], k.key[1],
                                   k.key[2],   k.key[3],   k.key[4],   k.key[5],   k.key[6], k.key[7],
                                   counter,    k.nonce[0], k.nonce[1], k.nonce[2]};
  ChaChaBlock out{};
  std::uint32_t* x = out.word;
  for (int i = 0; i < 16; ++i) x[i] = start[i];
  for (int round = 0; round < 20; round += 2) {
    for (int i = 0; i < 4; ++i) quarter_round(x[i], x[4 + i], x[8 + i], x[12 + i]);
    for (int i = 0; i < 4; ++i) quarter_round(x[i], x[4 + (i + 1) % 4], x[8 + (i + 2) % 4], x[12 + (i + 3) % 4]);
  }
  for (int i = 0; i < 16; ++i) x[i] += start[i];
  return out;
}

}  // namespace shoal
