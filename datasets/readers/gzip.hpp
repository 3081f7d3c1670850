#pragma once
// Reads whole files into memory and unpacks those in gzip format (RFC 1952).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shoal::readers {

using Bytes = std::vector<std::uint8_t>;

/// The most that a file may hold, packed or unpacked, unless a reader sets another limit.
inline constexpr std::int64_t gibibyte = std::int64_t{1} << 30;

/// Whether the contents of a file begin with the gzip magic.
bool is_gzip(std::span<const std::uint8_t> content);

/// The contents of a file, inflated if it begins with the gzip magic. Memory grows with what the file really holds, up
/// to `limit` bytes. UserError when the file cannot be read, is cut short or damaged, has bytes after its last gzip
/// member, or exceeds `limit`.
Bytes read_unpacked(const std::string& path, std::int64_t limit = gibibyte);

/// `packed` inflated; `name` is for the errors.
Bytes gunzip(std::span<const std::uint8_t> packed, const std::string& name, std::int64_t limit = gibibyte);

}  // namespace shoal::readers
