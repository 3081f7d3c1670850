#pragma once
// A lock that admits one writing process at a time.

#include <string>

namespace shoal {

/// Holds an advisory lock (flock) on a file, created if missing, until it is destroyed or its process dies.
class FileLock {
 public:
  /// UserError when another process holds it.
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;

 private:
  int file_ = -1;
};

/// Whether a living process holds the lock at `path`.
bool is_locked(const std::string& path);

}  // namespace shoal
