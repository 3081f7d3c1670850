#include "sim/files/replace_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "sim/error.hpp"
#include "sim/files/partial_file.hpp"

namespace shoal {
namespace {

constexpr std::string_view partial_suffix = ".partial-";
constexpr std::size_t random_letters = 6;

std::string random_text() {
  static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::string text;
  while (text.size() < random_letters) text += letters[random() % letters.size()];
  return text;
}

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

// Opens a new file with a name of its own, which goes to `path`; -1 with errno when the system refuses.
// For reading too: where a file system cannot reserve room, the C library reads the file to do so.
int open_new(const std::string& of, std::string& path) {
  constexpr int attempts = 100;
  int file = -1;
  for (int i = 0; file < 0 && i < attempts; ++i) {
    path = of + std::string(partial_suffix) + random_text();
    file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0 && errno != EEXIST) break;
  }
  return file;
}

void sync_folder(const std::string& path) {
  const OpenFile folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  // Some file systems cannot sync folders, and say so with EINVAL.
  if (folder.id < 0 || (::fsync(folder.id) != 0 && errno != EINVAL)) {
    system_error("cannot sync folder '{}': {}", path, std::strerror(errno));
  }
}

}  // namespace

PartialFile::PartialFile(const std::string& of) : of_(of), file_(open_new(of, path_)) {
  if (file_ < 0) system_error("cannot write '{}': {}", path_, std::strerror(errno));
}

PartialFile::~PartialFile() {
  ::close(file_);
  if (!kept_) ::unlink(path_.c_str());
}

void PartialFile::write(std::span<const std::byte> bytes) {
  for (auto left = bytes; !left.empty();) {
    const ssize_t count = ::write(file_, left.data(), left.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      system_error("cannot write {} bytes to '{}': {}", bytes.size(), path_, std::strerror(count < 0 ? errno : ENOSPC));
    }
    left = left.subspan(count);
  }
}

void PartialFile::reserve(std::int64_t bytes) {
  int failure = EINTR;  // a signal may interrupt it
  while (failure == EINTR) failure = ::posix_fallocate(file_, 0, bytes);
  if (failure != 0) {
    system_error("cannot write {} bytes to '{}': {}", bytes, path_, std::strerror(failure));
  }
}

void PartialFile::end_at(std::int64_t bytes) {
  if (::ftruncate(file_, bytes) != 0 || ::lseek(file_, bytes, SEEK_SET) != bytes) {
    system_error("cannot cut '{}': {}", path_, std::strerror(errno));
  }
}

void PartialFile::replace() {
  if (::fsync(file_) != 0) system_error("cannot sync '{}': {}", path_, std::strerror(errno));
  if (::rename(path_.c_str(), of_.c_str()) != 0) {
    system_error("cannot rename '{}' to '{}': {}", path_, of_, std::strerror(errno));
  }
  kept_ = true;
  sync_folder(folder_of(of_));
}

void replace_file(const std::string& path, std::span<const std::byte> bytes, std::span<const std::byte> tail) {
  PartialFile partial(path);
  partial.write(bytes);
  partial.write(tail);
  partial.replace();
}

bool is_partial_name(std::string_view name, std::string_view base) {
  if (!name.starts_with(base)) return false;
  name.remove_prefix(base.size());
  return name.starts_with(partial_suffix) && name.size() == partial_suffix.size() + random_letters;
}

void remove_partial_files(const std::string& path) {
  const std::string base = std::filesystem::path(path).filename().string();
  std::vector<std::filesystem::path> left;
  std::error_code ignored;  // a file that stays does no harm
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(path), ignored)) {
    if (is_partial_name(entry.path().filename().string(), base)) left.push_back(entry.path());
  }
  for (const auto& partial : left) std::filesystem::remove(partial, ignored);
}

void check_writable(const std::string& path) {
  const std::string folder = folder_of(path);
  if (!std::filesystem::is_directory(folder)) {
    user_error("folder '{}' of '{}' does not exist. Make it, or choose another place.", folder, path);
  }
  if (path.empty() || path.ends_with('/') || std::filesystem::is_directory(path)) {
    user_error("'{}' is a folder. Add a file name.", path);
  }
  if (std::filesystem::exists(path) && !std::filesystem::is_regular_file(path)) {
    user_error("'{}' is no regular file, so it is not replaced. Choose another name.", path);
  }
  // Checked by creating a file: permissions alone do not show that a file system is read-only.
  std::string trial;
  const OpenFile file{open_new(path, trial)};
  if (file.id < 0) user_error("'{}' cannot be written ({}). Choose another folder.", path, std::strerror(errno));
  ::unlink(trial.c_str());
}

void refuse_input_as_output(const std::string& path, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code missing;  // a file that is not there is no other one's name
    if (!std::filesystem::equivalent(path, input, missing)) continue;
    user_error("'{}' is read by this command ('{}'), so it is not replaced. Choose another name for what is written.",
               path, input);
  }
}

void check_output(const std::string& path, const OutputKind& kind, const std::vector<std::string>& inputs) {
  refuse_input_as_output(path, inputs);
  check_writable(path);
  std::ifstream file(path, std::ios::binary);
  std::string head(kind.begins.size(), '\0');
  if (!file || file.peek() == std::ifstream::traits_type::eof()) return;  // new, or empty
  file.read(head.data(), std::ssize(head));
  if (head == kind.begins) return;
  user_error("'{}' exists and is no {}, so it is not replaced. Choose another name, or remove it.", path, kind.name);
}

}  // namespace shoal
