#include "datasets/readers/digest.hpp"

#include <fmt/core.h>

namespace shoal::readers {

Sha256::Sha256() { crypto_hash_sha256_init(&state_); }

void Sha256::add(std::span<const std::uint8_t> piece) {
  if (!piece.empty()) crypto_hash_sha256_update(&state_, piece.data(), piece.size());
}

std::string Sha256::hex() {
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_final(&state_, digest);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256(std::span<const std::uint8_t> content) {
  Sha256 digest;
  digest.add(content);
  return digest.hex();
}

}  // namespace shoal::readers
