#include "sim/files/journal.hpp"

#define XXH_INLINE_ALL  // headers only, nothing to link
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

#include "sim/error.hpp"
#include "sim/files/journal_reader.hpp"

namespace shoal {
namespace {

static_assert(std::endian::native == std::endian::little, "the journal has the byte order of memory");

constexpr std::string_view magic = "shoaljournal";
constexpr std::uint32_t format_version = 5;

struct FileHead {
  char magic[12];
  std::uint32_t version;
};
static_assert(sizeof(FileHead) == 16);

struct RecordHead {
  std::uint32_t length, kind;
  std::uint64_t hash;
};
static_assert(sizeof(RecordHead) == 16);

std::uint64_t hash_of(std::uint32_t length, std::uint32_t kind, std::span<const std::byte> payload) {
  const std::uint32_t head[2] = {length, kind};
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, head, sizeof head);
  XXH3_64bits_update(&state, payload.data(), payload.size());
  return XXH3_64bits_digest(&state);
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// False when a process was killed while it created the file, which then has no records.
bool has_head(std::FILE* file, const std::string& path) {
  FileHead head{};
  const std::size_t got = std::fread(&head, 1, sizeof head, file);
  if (std::memcmp(head.magic, magic.data(), std::min(got, magic.size())) != 0) {
    user_error("'{}' is not a journal of Shoal. Check the path.", path);
  }
  if (got < sizeof head) return false;
  if (head.version != format_version) {
    user_error(
        "journal '{}' has format version {} (this program reads {}). Use the version that wrote it, or discard "
        "it with --anew.",
        path, head.version, format_version);
  }
  return true;
}

}  // namespace

Journal::Journal(std::string path, int flags)
    : path_(std::move(path)), file_(::open(path_.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0666)) {
  if (file_ < 0) system_error("cannot open journal '{}': {}", path_, std::strerror(errno));
}

Journal Journal::create(std::string path) {
  Journal journal(std::move(path), O_CREAT | O_TRUNC);
  FileHead head{{}, format_version};
  std::memcpy(head.magic, magic.data(), magic.size());
  journal.write_all(std::as_bytes(std::span(&head, 1)));
  return journal;
}

Journal Journal::resume(std::string path, std::uint64_t length) {
  const JournalContents contents = read_journal(path);
  const bool is_end = (length == sizeof(FileHead) && contents.length >= length) ||
                      std::ranges::any_of(contents.records, [&](const auto& record) { return record.end == length; });
  if (!is_end) {
    user_error(
        "journal '{}' has no record that ends at byte {} (its valid part has {}). Check that it belongs to this run.",
        path, length, contents.length);
  }
  Journal journal(std::move(path), 0);
  if (::ftruncate(journal.file_, length) != 0) {
    system_error("cannot cut journal '{}': {}", journal.path_, std::strerror(errno));
  }
  journal.length_ = length;
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), length_(other.length_) {}

Journal::~Journal() {
  if (file_ >= 0) ::close(file_);
}

void Journal::append(std::uint32_t kind, std::span<const std::byte> payload) {
  ensure(payload.size() <= std::numeric_limits<std::uint32_t>::max(), "a journal record of {} bytes", payload.size());
  const std::uint32_t length = payload.size();
  const RecordHead head{length, kind, hash_of(length, kind, payload)};
  std::vector<std::byte> record(sizeof head + payload.size());
  std::memcpy(record.data(), &head, sizeof head);
  if (!payload.empty()) std::memcpy(record.data() + sizeof head, payload.data(), payload.size());
  write_all(record);
}

void Journal::write_all(std::span<const std::byte> bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {  // one pass, unless the system writes only a part
    const ssize_t count = ::write(file_, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count > 0) {
      written += count;
      continue;
    }
    const int reason = count < 0 ? errno : ENOSPC;
    // It does no harm if this fails too: readers stop before a torn record.
    const bool cut = ::ftruncate(file_, length_) == 0;
    system_error("cannot write {} bytes to journal '{}': {} ({} bytes of whole records stay{})", bytes.size(), path_,
                 std::strerror(reason), length_, cut ? "" : ", then a torn one");
  }
  length_ += bytes.size();
}

void Journal::sync() {
  if (::fdatasync(file_) != 0) system_error("cannot sync journal '{}': {}", path_, std::strerror(errno));
}

JournalReader::JournalReader(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "rbe")) {
  std::unique_ptr<std::FILE, CloseFile> guard(file_);
  struct stat status {};
  if (!file_ || ::fstat(::fileno(file_), &status) != 0) {
    user_error("cannot read journal '{}' ({}). Check the path and its permissions.", path, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) user_error("journal '{}' is not a file. Check the path.", path);
  size_ = status.st_size;
  if (has_head(file_, path)) length_ = sizeof(FileHead);
  std::ignore = guard.release();
}

JournalReader::~JournalReader() { std::fclose(file_); }

bool JournalReader::next(JournalRecord& record) {
  RecordHead head{};
  if (length_ == 0 || size_ - length_ < sizeof head || std::fread(&head, sizeof head, 1, file_) != 1) {
    if (std::ferror(file_)) system_error("cannot read journal '{}': {}", path_, std::strerror(errno));
    return false;
  }
  if (head.length > size_ - length_ - sizeof head) return false;
  record.kind = head.kind;
  record.payload.resize(head.length);
  if (head.length > 0 && std::fread(record.payload.data(), head.length, 1, file_) != 1) {
    if (std::ferror(file_)) system_error("cannot read journal '{}': {}", path_, std::strerror(errno));
    return false;
  }
  if (hash_of(head.length, head.kind, record.payload) != head.hash) {
    size_ = length_;  // nothing after it counts
    return false;
  }
  record.end = length_ + sizeof head + head.length;
  length_ = record.end;
  return true;
}

JournalContents read_journal(const std::string& path) {
  JournalReader reader(path);
  JournalContents contents;
  for (JournalRecord record; reader.next(record);) contents.records.push_back(record);
  contents.length = reader.length();
  return contents;
}

}  // namespace shoal
