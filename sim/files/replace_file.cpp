#include "sim/files/replace_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sim/error.hpp"

namespace shoal {
namespace {

std::string partial_name(const std::string& path) { return path + ".partial"; }

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

struct OpenFile {
  int id;
  ~OpenFile() {
    if (id >= 0) ::close(id);
  }
};

// Removes a half-written file when an error leaves the scope.
struct RemoveUnlessKept {
  const std::string& path;
  bool kept = false;
  ~RemoveUnlessKept() {
    if (!kept) ::unlink(path.c_str());
  }
};

void write_all(int file, std::span<const std::byte> bytes, const std::string& path) {
  for (auto left = bytes; !left.empty();) {
    const ssize_t count = ::write(file, left.data(), left.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      system_error("cannot write {} bytes to '{}': {}", bytes.size(), path, std::strerror(count < 0 ? errno : ENOSPC));
    }
    left = left.subspan(count);
  }
}

void write_synced(const std::string& path, std::span<const std::byte> bytes, std::span<const std::byte> tail) {
  const OpenFile file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (file.id < 0) system_error("cannot write '{}': {}", path, std::strerror(errno));
  write_all(file.id, bytes, path);
  write_all(file.id, tail, path);
  if (::fsync(file.id) != 0) system_error("cannot sync '{}': {}", path, std::strerror(errno));
}

void sync_folder(const std::string& path) {
  const OpenFile folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  // Some file systems cannot sync folders, and say so with EINVAL.
  if (folder.id < 0 || (::fsync(folder.id) != 0 && errno != EINVAL)) {
    system_error("cannot sync folder '{}': {}", path, std::strerror(errno));
  }
}

}  // namespace

void replace_file(const std::string& path, std::span<const std::byte> bytes, std::span<const std::byte> tail) {
  const std::string partial = partial_name(path);
  RemoveUnlessKept guard{partial};
  write_synced(partial, bytes, tail);
  if (::rename(partial.c_str(), path.c_str()) != 0) {
    system_error("cannot rename '{}' to '{}': {}", partial, path, std::strerror(errno));
  }
  guard.kept = true;
  sync_folder(folder_of(path));
}

void check_writable(const std::string& path) {
  const std::string folder = folder_of(path);
  if (!std::filesystem::is_directory(folder)) {
    user_error("folder '{}' of '{}' does not exist. Make it, or choose another place.", folder, path);
  }
  if (path.empty() || path.ends_with('/') || std::filesystem::is_directory(path)) {
    user_error("'{}' is a folder. Add a file name.", path);
  }
  // Checked by creating a file: permissions alone do not show that a file system is read-only.
  const std::string trial = path + ".trial-" + std::to_string(::getpid());  // no other process uses this name
  const OpenFile file{::open(trial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)};
  if (file.id < 0) user_error("'{}' cannot be written ({}). Choose another folder.", path, std::strerror(errno));
  ::unlink(trial.c_str());
}

}  // namespace shoal
