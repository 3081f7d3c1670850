#pragma once
// An append-only file of checksummed records, which neither a kill nor a full disk can corrupt.
//
// File, little-endian:  "shoaljournal" (12 bytes), uint32 format version
// then per record:      uint32 length, uint32 kind, uint64 XXH3 of (length, kind, payload), payload

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shoal {

/// The writing side. Nothing is buffered: once `append` returns, the record survives the death of this process.
class Journal {
 public:
  /// Replaces what is at `path`, never through a symbolic link. SystemError if it cannot be created.
  static Journal create(std::string path);
  /// Cuts the file to `length`, the end of one of its records, and continues there. UserError if no record ends there.
  static Journal resume(std::string path, std::uint64_t length);

  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  /// SystemError if the system refuses (disk full, file size limit); the file then still ends with its last record.
  void append(std::uint32_t kind, std::span<const std::byte> payload);
  /// Waits until everything is on the disk, so that it survives a crash of the machine too.
  void sync();
  /// Bytes up to the end of the last record.
  std::uint64_t length() const { return length_; }
  const std::string& path() const { return path_; }

 private:
  Journal(std::string path, int flags);
  void write_all(std::span<const std::byte> bytes);

  std::string path_;
  int file_ = -1;
  std::uint64_t length_ = 0;
};

struct JournalRecord {
  std::uint32_t kind = 0;
  std::uint64_t end = 0;  // position in the file after the record
  std::vector<std::byte> payload;
};

struct JournalContents {
  std::vector<JournalRecord> records;
  std::uint64_t length = 0;  // bytes in the valid prefix of the file
};

/// All records before the first torn or damaged one. UserError for a missing or foreign file or another format version.
JournalContents read_journal(const std::string& path);

}  // namespace shoal
