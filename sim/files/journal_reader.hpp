#pragma once
// Reads a journal without keeping it in memory.

#include <cstdint>
#include <cstdio>
#include <string>

#include "sim/files/journal.hpp"

namespace shoal {

/// Reads one record after the other.
class JournalReader {
 public:
  /// UserError for a missing or foreign file or another format version.
  explicit JournalReader(const std::string& path);
  ~JournalReader();
  JournalReader(const JournalReader&) = delete;
  JournalReader& operator=(const JournalReader&) = delete;

  /// Reads the next record; false at the end, and before a torn or damaged one.
  bool next(JournalRecord& record);
  /// Bytes up to the end of the last record that was read.
  std::uint64_t length() const { return length_; }

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
  std::uint64_t size_ = 0, length_ = 0;
};

}  // namespace shoal
