#include "sim/secure/primitives.hpp"

#include <sodium/core.h>
#include <sodium/crypto_aead_chacha20poly1305.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/crypto_generichash.h>
#include <sodium/crypto_scalarmult.h>
#include <sodium/crypto_sign.h>
#include <sodium/utils.h>

#include <algorithm>
#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

// Until it is initialised, the library uses portable code.
void choose_fast_implementation() {
  static const bool chosen = sodium_init() >= 0;
  if (!chosen) system_error("libsodium could not be initialised");
}

// The library takes no null pointer, not even with a size of 0.
const std::uint8_t* pointer_to(std::span<const std::uint8_t> bytes) {
  static constexpr std::uint8_t none = 0;
  return bytes.empty() ? &none : bytes.data();
}

Key256 hmac(std::span<const std::uint8_t> key, std::initializer_list<std::span<const std::uint8_t>> parts) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, pointer_to(key), key.size());
  for (const auto& part : parts) crypto_auth_hmacsha256_update(&state, pointer_to(part), part.size());
  Key256 out;
  crypto_auth_hmacsha256_final(&state, out.data());
  return out;
}

const unsigned char* chars(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

AgreementKeys agreement_keys(const Key256& secret) {
  choose_fast_implementation();
  AgreementKeys keys{.secret = secret, .open = {}};
  crypto_scalarmult_base(keys.open.data(), secret.data());
  return keys;
}

std::optional<Key256> agree(const Key256& secret, const Key256& other) {
  choose_fast_implementation();
  Key256 shared;
  if (crypto_scalarmult(shared.data(), secret.data(), other.data()) != 0) return std::nullopt;
  return shared;
}

void derive(std::span<std::uint8_t> out, std::span<const std::uint8_t> secret, std::span<const std::uint8_t> salt,
            std::span<const std::uint8_t> info) {
  ensure(out.size() <= 255 * std::tuple_size_v<Key256>, "{} bytes of one key derivation", out.size());
  const Key256 extracted = hmac(salt, {secret});
  Key256 block{};
  std::size_t made = 0;
  for (std::uint8_t counter = 1; made < out.size(); ++counter) {
    const std::span<const std::uint8_t> previous = std::span(block).first(counter == 1 ? 0 : block.size());
    block = hmac(extracted, {previous, info, std::span(&counter, 1)});
    const std::size_t count = std::min(block.size(), out.size() - made);
    std::copy_n(block.begin(), count, out.begin() + static_cast<std::ptrdiff_t>(made));
    made += count;
  }
}

Key256 derive_key(std::span<const std::uint8_t> secret, std::span<const std::uint8_t> info) {
  Key256 key;
  derive(key, secret, {}, info);
  return key;
}

Transcript::Transcript(std::string_view purpose) {
  add(std::span(reinterpret_cast<const std::uint8_t*>(purpose.data()), purpose.size()));
}

Transcript& Transcript::add(std::span<const std::uint8_t> bytes) {
  add(std::ssize(bytes));
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}

Transcript& Transcript::add(std::int64_t number) {
  std::array<std::uint8_t, sizeof number> bytes;
  std::memcpy(bytes.data(), &number, sizeof number);
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}

Key256 Transcript::hash() const {
  Key256 out;
  crypto_generichash(out.data(), out.size(), bytes_.data(), bytes_.size(), nullptr, 0);
  return out;
}

Bytes seal(const Key256& key, const Nonce& nonce, std::span<const std::uint8_t> plain,
           std::span<const std::uint8_t> associated) {
  choose_fast_implementation();
  Bytes sealed(plain.size() + tag_size);
  crypto_aead_chacha20poly1305_ietf_encrypt(reinterpret_cast<unsigned char*>(sealed.data()), nullptr, plain.data(),
                                            plain.size(), associated.data(), associated.size(), nullptr, nonce.data(),
                                            key.data());
  return sealed;
}

std::optional<std::vector<std::uint8_t>> open(const Key256& key, const Nonce& nonce, std::span<const std::byte> sealed,
                                              std::span<const std::uint8_t> associated) {
  choose_fast_implementation();
  if (sealed.size() < tag_size) return std::nullopt;
  std::vector<std::uint8_t> plain(sealed.size() - tag_size);
  if (crypto_aead_chacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, chars(sealed), sealed.size(),
                                                associated.data(), associated.size(), nonce.data(), key.data()) != 0) {
    return std::nullopt;
  }
  return plain;
}

Identity identity(const Key256& seed) {
  choose_fast_implementation();
  Identity made;
  crypto_sign_seed_keypair(made.open.data(), made.secret.data(), seed.data());
  return made;
}

Signature sign(const Identity& signer, std::span<const std::uint8_t> message) {
  Signature signature;
  crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), signer.secret.data());
  return signature;
}

bool verifies(const Key256& signer, const Signature& signature, std::span<const std::uint8_t> message) {
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(), signer.data()) == 0;
}

void erase(std::span<std::uint8_t> secret) { sodium_memzero(secret.data(), secret.size()); }

}  // namespace shoal
