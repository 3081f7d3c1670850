#pragma once
// Whole files in memory, unpacked on the way when they are gzip (RFC 1952).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shoal::readers {

using Bytes = std::vector<std::uint8_t>;

/// What no data set read here exceeds, packed or unpacked.
inline constexpr std::int64_t gibibyte = std::int64_t{1} << 30;

/// The contents of a file: inflated when it begins with the gzip magic, as they are otherwise. Memory grows with what
/// is really there, up to `limit` bytes. UserError when the file cannot be read, is cut short, damaged, has something
/// after its last gzip member, or exceeds `limit`.
Bytes read_unpacked(const std::string& path, std::int64_t limit = gibibyte);

/// `packed` inflated; `name` is for the errors.
Bytes gunzip(std::span<const std::uint8_t> packed, const std::string& name, std::int64_t limit = gibibyte);

}  // namespace shoal::readers
