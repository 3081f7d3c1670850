#include "sim/digest.hpp"

#include <sodium/utils.h>

#include <array>

namespace shoal {
namespace {

constexpr std::size_t digest_size = 16;

template <std::size_t size>
std::string to_hex(const std::array<unsigned char, size>& bytes) {
  std::string text(2 * size + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  text.pop_back();
  return text;
}

}  // namespace

Digest::Digest() { crypto_generichash_init(&state_, nullptr, 0, digest_size); }

Digest& Digest::add(std::span<const std::byte> bytes) {
  crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return *this;
}

std::string Digest::hex() {
  std::array<unsigned char, digest_size> out{};
  crypto_generichash_final(&state_, out.data(), out.size());
  return to_hex(out);
}

Sha256::Sha256() { crypto_hash_sha256_init(&state_); }

void Sha256::add(std::span<const std::byte> bytes) {
  crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::string Sha256::hex() {
  std::array<unsigned char, crypto_hash_sha256_BYTES> out{};
  crypto_hash_sha256_final(&state_, out.data());
  return to_hex(out);
}

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

}  // namespace shoal
