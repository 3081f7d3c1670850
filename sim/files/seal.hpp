#pragma once
// A hash behind a file's content, so that damage is noticed before a parser meets it: HDF5 1.10 can crash on flipped
// bits.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace shoal {

constexpr std::uint64_t seal_size = 48;

/// "shoal content is", the Digest of `content` in 32 hexadecimal digits.
std::string seal_of(std::span<const std::byte> content);

enum class Seal : std::int8_t {
  none,    // the file ends with something else
  whole,   // and matches what stands before it
  broken,  // and does not
};

/// Reads the file once. SystemError if that cannot be done.
Seal seal_at_end(const std::string& path);

}  // namespace shoal
