#pragma once
// Content hashes: BLAKE2b for results, SHA-256 for files whose publishers state it.

#include <sodium/crypto_generichash.h>
#include <sodium/crypto_hash_sha256.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace shoal {

/// BLAKE2b-128 over everything that was added, in order. Equal results of two runs have equal text.
class Digest {
 public:
  Digest();
  Digest& add(std::span<const std::byte> bytes);
  Digest& add(std::string_view text) { return add(std::as_bytes(std::span(text))); }
  /// The bytes of a number; the hash is that of its little-endian form.
  template <class T>
    requires std::is_arithmetic_v<T>
  Digest& add(T number) {
    return add(std::as_bytes(std::span(&number, 1)));
  }
  /// 32 hexadecimal digits. Call it once, after the last `add`.
  std::string hex();

 private:
  crypto_generichash_state state_;
};

/// SHA-256 over everything that was added, in order. It identifies files and data sets in a run's provenance.
class Sha256 {
 public:
  Sha256();
  void add(std::span<const std::byte> bytes);
  /// 64 hexadecimal digits. Call it once, after the last `add`.
  std::string hex();

 private:
  crypto_hash_sha256_state state_;
};

/// SHA-256 of `bytes`, in 64 hexadecimal digits.
std::string sha256(std::span<const std::byte> bytes);

}  // namespace shoal
