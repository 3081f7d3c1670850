#pragma once
// SHA-256, the name by which data stand in a run's provenance.

#include <sodium.h>

#include <cstdint>
#include <span>
#include <string>

namespace shoal::readers {

/// SHA-256 of pieces given one after the other.
class Sha256 {
 public:
  Sha256();
  void add(std::span<const std::uint8_t> piece);
  /// The bytes of `values` as they lie in memory (little-endian on every supported processor).
  template <class T>
  void add_values(std::span<const T> values) {
    add({reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()});
  }
  /// 64 lower-case hexadecimal digits; nothing may be added afterwards.
  std::string hex();

 private:
  crypto_hash_sha256_state state_;
};

/// SHA-256 of one piece in hexadecimal.
std::string sha256(std::span<const std::uint8_t> content);

}  // namespace shoal::readers
