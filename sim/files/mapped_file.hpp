#pragma once
// Files that are read where they lie.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace shoal {

/// A regular file, mapped into memory for reading: pages are loaded when they are first read, and all processes of a
/// machine share them. The file must not be changed meanwhile.
class MappedFile {
 public:
  /// UserError when the file cannot be mapped.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }

 private:
  const std::uint8_t* data_ = nullptr;  // null for an empty file
  std::size_t size_ = 0;
};

}  // namespace shoal
