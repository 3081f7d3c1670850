#pragma once
// A file that is written beside the one that it replaces.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace shoal {

/// A new file PATH.partial-XXXXXX, whoever else writes or has put a link there; it replaces PATH or is removed.
class PartialFile {
 public:
  /// SystemError if it cannot be made, as for all that follows.
  explicit PartialFile(const std::string& of);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const std::string& path() const { return path_; }
  void write(std::span<const std::byte> bytes);
  /// Takes room on the disk for so many bytes, so that a library that does not expect a full disk can write them.
  void reserve(std::int64_t bytes);
  /// Cuts the file there; the next `write` continues there.
  void end_at(std::int64_t bytes);
  /// Syncs the file, renames it to PATH and syncs the folder.
  void replace();

 private:
  std::string of_, path_;
  int file_ = -1;
  bool kept_ = false;
};

}  // namespace shoal
