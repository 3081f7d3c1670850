#pragma once
// Files that are replaced as a whole or not at all.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

/// Writes `bytes` and `tail` to a new file `path`.partial-XXXXXX, syncs it, renames it to `path` and syncs the folder:
/// a reader, after any crash, sees the old file or the whole new one. A symbolic link at `path` is replaced, not
/// followed. SystemError on a full disk; then the old file stays and the partial one is removed.
void replace_file(const std::string& path, std::span<const std::byte> bytes, std::span<const std::byte> tail = {});

/// Whether `name` is that of a partial file of a file called `base`; a kill may leave one.
bool is_partial_name(std::string_view name, std::string_view base);
/// Removes the partial files of `path` that a kill has left. No other process may be writing to `path`.
void remove_partial_files(const std::string& path);

/// UserError unless `replace_file` can write to `path`: a new path or a regular file. For a check before a long run.
void check_writable(const std::string& path);

/// The kind of file that a command writes: its first bytes, and its name in messages.
struct OutputKind {
  std::string_view begins, name;
};
/// Also a UserError if `path` is one of the files that the command reads, or is there and not of this kind: a mistyped
/// path could name data.
void check_output(const std::string& path, const OutputKind& kind, const std::vector<std::string>& inputs);
/// UserError if `path` is one of `inputs`, by whatever name.
void refuse_input_as_output(const std::string& path, const std::vector<std::string>& inputs);

}  // namespace shoal
