#pragma once
// Whole files in memory.

#include <cstdint>
#include <limits>
#include <string>

namespace shoal {

/// The bytes of a regular file or pipe. UserError when it cannot be read or holds more than `most` bytes; a regular
/// file that is too large is refused before any memory is allocated.
std::string read_file(const std::string& path, std::int64_t most = std::numeric_limits<std::int64_t>::max());

/// The UserError for a file that holds `size` bytes where at most `most` are expected.
[[noreturn]] void refuse_size(const std::string& path, std::int64_t size, std::int64_t most);

}  // namespace shoal
