#pragma once
// Numbers, texts and arrays in a flat byte string, little-endian. Reading checks every length before it uses it.

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sim/error.hpp"

namespace shoal {

static_assert(std::endian::native == std::endian::little, "records have the byte order of memory");

/// Appends values. Texts and arrays are preceded by their length, a uint64.
class Packer {
 public:
  template <class T>
    requires std::is_arithmetic_v<T>
  Packer& number(T value) {
    return raw(std::as_bytes(std::span(&value, 1)));
  }
  Packer& text(std::string_view text) { return array(std::span(text)); }
  template <class T>
  Packer& array(std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    return number<std::uint64_t>(values.size()).raw(std::as_bytes(values));
  }
  /// One plain struct.
  template <class T>
  Packer& row(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return raw(std::as_bytes(std::span(&value, 1)));
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  Packer& raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  std::vector<std::byte> bytes_;
};

/// Reads the values in the same order; UserError naming `source` when the bytes end early or some are left over.
class Unpacker {
 public:
  Unpacker(std::span<const std::byte> bytes, std::string_view source) : bytes_(bytes), source_(source) {}

  std::string_view source() const { return source_; }

  template <class T>
    requires std::is_trivially_copyable_v<T>
  T number() {
    T value;
    std::memcpy(&value, take(1, sizeof(T)).data(), sizeof(T));
    return value;
  }
  template <class T>
  T row() {
    return number<T>();
  }
  std::string text() {
    const auto bytes = take(number<std::uint64_t>(), 1);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  template <class T>
  std::vector<T> array() {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto count = number<std::uint64_t>();
    const auto bytes = take(count, sizeof(T));
    std::vector<T> values(count);
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  bool empty() const { return bytes_.empty(); }
  std::size_t left() const { return bytes_.size(); }
  void finish() const {
    if (!bytes_.empty()) {
      user_error("a record of '{}' has {} unknown bytes. Use the version that wrote it.", source_, bytes_.size());
    }
  }

 private:
  std::span<const std::byte> take(std::uint64_t count, std::size_t size) {
    if (count > bytes_.size() / size) {
      user_error("a record of '{}' ends early. Use the version that wrote it.", source_);
    }
    const auto taken = bytes_.first(count * size);
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> bytes_;
  std::string_view source_;
};

}  // namespace shoal
