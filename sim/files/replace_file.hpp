#pragma once
// Files that are replaced as a whole or not at all.

#include <cstddef>
#include <span>
#include <string>

namespace shoal {

/// Writes `bytes` and `tail` to `path`.partial, syncs it, renames it to `path` and syncs the folder: a reader, after
/// any crash, sees the old file or the whole new one. SystemError on a full disk; then the old file stays and the
/// partial one is removed.
void replace_file(const std::string& path, std::span<const std::byte> bytes, std::span<const std::byte> tail = {});

/// UserError unless `replace_file` can write to `path`; for a check before a long run.
void check_writable(const std::string& path);

}  // namespace shoal
