#pragma once
// A hash after a file's content, so that damage is noticed before a parser reads it: HDF5 1.10 can crash on flipped
// bits.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace shoal {

constexpr std::int64_t seal_size = 48;  // bytes

/// The text "shoal content is" and the Digest of `content` in 32 hexadecimal digits.
std::string seal_of(std::span<const std::byte> content);

/// The same for the first `content` bytes of a file. SystemError if it cannot be read.
std::string seal_of_file(const std::string& path, std::int64_t content);

enum class Seal : std::int8_t {
  none,    // the file does not end with a seal
  whole,   // the seal matches the content before it
  broken,  // the seal does not match
};

/// Reads the file once. SystemError if that fails.
Seal seal_at_end(const std::string& path);

}  // namespace shoal
