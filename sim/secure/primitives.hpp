#pragma once
// The cryptography that protocols of secure aggregation are built from, by libsodium: X25519 (RFC 7748), HKDF with
// SHA-256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439), Ed25519 (RFC 8032) and BLAKE2b (RFC 7693).
//
// All randomness of a run derives from its seed, so that runs can be repeated. A run proves that a protocol is correct
// and what it costs; it keeps nothing secret.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sim/comm/bytes.hpp"

namespace shoal {

using Key256 = std::array<std::uint8_t, 32>;

/// The keys of one party for key agreement.
struct AgreementKeys {
  Key256 secret, open;
};

/// The keys of a secret; any 32 bytes are one.
AgreementKeys agreement_keys(const Key256& secret);

/// The secret that two parties share. Nothing if the other's key is a point of low order, with which everyone would
/// share the same secret.
std::optional<Key256> agree(const Key256& secret, const Key256& other);

/// Fills `out`, at most 8160 bytes, with key material for one use, which `info` names.
void derive(std::span<std::uint8_t> out, std::span<const std::uint8_t> secret, std::span<const std::uint8_t> salt,
            std::span<const std::uint8_t> info);
Key256 derive_key(std::span<const std::uint8_t> secret, std::span<const std::uint8_t> info);

/// Values that enter a hash or the name of a key, in order and without ambiguity.
class Transcript {
 public:
  explicit Transcript(std::string_view purpose);
  Transcript& add(std::span<const std::uint8_t> bytes);  // preceded by their number
  Transcript& add(std::int64_t number);
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  Key256 hash() const;

 private:
  std::vector<std::uint8_t> bytes_;
};

/// Bytes that `seal` adds.
inline constexpr std::size_t tag_size = 16;
using Nonce = std::array<std::uint8_t, 12>;  // never twice with one key

/// Encrypts and authenticates `plain`; `associated` is authenticated and not sent.
Bytes seal(const Key256& key, const Nonce& nonce, std::span<const std::uint8_t> plain,
           std::span<const std::uint8_t> associated);
/// Nothing if the message is not one that was sealed with this key, nonce and associated data.
std::optional<std::vector<std::uint8_t>> open(const Key256& key, const Nonce& nonce, std::span<const std::byte> sealed,
                                              std::span<const std::uint8_t> associated);

using Signature = std::array<std::uint8_t, 64>;

/// A party's long-lived keys for signatures. They are enrolled before a round; without them a server could invent
/// parties.
struct Identity {
  Key256 open;
  std::array<std::uint8_t, 64> secret;
};
Identity identity(const Key256& seed);
Signature sign(const Identity& signer, std::span<const std::uint8_t> message);
bool verifies(const Key256& signer, const Signature& signature, std::span<const std::uint8_t> message);

/// Overwrites a secret that is no longer needed.
void erase(std::span<std::uint8_t> secret);

}  // namespace shoal
