#pragma once
// Arithmetic that the host and device forms of the hash share.

#include <bit>
#include <type_traits>

#include "kernels/tensor_hash.hpp"

namespace shoal {

inline constexpr std::int64_t hash_chunk = 4096, hash_lanes = 32;

SHOAL_HD constexpr std::uint64_t hash_mix(std::uint64_t h) {
  h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
  h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return h ^ h >> 33;
}
SHOAL_HD constexpr std::uint64_t hash_start(std::int64_t lane) { return hash_mix(lane + 1); }
SHOAL_HD constexpr std::uint64_t hash_take(std::uint64_t h, std::uint64_t word) {
  h ^= word;
  return (h ^ h >> 29) * 0x9e3779b97f4a7c15ULL;
}
SHOAL_HD constexpr std::uint64_t hash_join(std::uint64_t a, std::uint64_t b) {
  return hash_mix(a + 0xd6e8feb86659fd93ULL * b);
}
SHOAL_HD constexpr std::uint64_t hash_end(std::uint64_t root, std::uint64_t bytes) { return hash_mix(root ^ bytes); }

/// 64-bit words of an array of 4- or 8-byte values, which may have any alignment that the values allow.
template <class T>
class HashWords {
 public:
  HashWords(const T* values, std::int64_t size) : values_(values), size_(size) {}
  SHOAL_HD std::int64_t size() const { return sizeof(T) == 8 ? size_ : (size_ + 1) / 2; }
  /// Word i, which must be whole, not padded.
  SHOAL_HD std::uint64_t inner(std::int64_t i) const {
    if constexpr (sizeof(T) == 8)
      return std::bit_cast<std::uint64_t>(values_[i]);
    else
      return bits(2 * i) | bits(2 * i + 1) << 32;
  }
  SHOAL_HD std::uint64_t operator[](std::int64_t i) const {
    if constexpr (sizeof(T) == 8)
      return inner(i);
    else
      return 2 * i + 1 < size_ ? inner(i) : bits(2 * i);
  }
  SHOAL_HD std::uint64_t bytes() const { return size_ * sizeof(T); }

 private:
  SHOAL_HD std::uint64_t bits(std::int64_t i) const {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    if constexpr (sizeof(T) == 4)
      return std::bit_cast<std::uint32_t>(values_[i]);
    else
      return std::bit_cast<std::uint64_t>(values_[i]);
  }

  const T* values_;
  std::int64_t size_;
};

inline std::int64_t hash_chunks(std::int64_t words) { return words == 0 ? 1 : (words + hash_chunk - 1) / hash_chunk; }

}  // namespace shoal
