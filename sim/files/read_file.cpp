#include "sim/files/read_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>

#include "sim/error.hpp"
#include "sim/files/inputs.hpp"

namespace shoal {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  user_error("cannot read '{}' ({}). Check the path and its permissions.", path, as_message(reason));
}

}  // namespace

void refuse_size(const std::string& path, std::int64_t size, std::int64_t most) {
  user_error("'{}' holds {} bytes (at most {} are expected). Check that it is the right file.", path, size, most);
}

std::string read_file(const std::string& path, std::int64_t most) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  struct stat about {};
  if (!file || fstat(fileno(file.get()), &about) != 0) refuse(path, std::strerror(errno));
  if (S_ISDIR(about.st_mode)) refuse(path, std::strerror(EISDIR));
  if (!S_ISREG(about.st_mode) && !S_ISFIFO(about.st_mode)) refuse(path, "it is not a regular file");
  if (about.st_size > most) refuse_size(path, about.st_size, most);

  std::string content;
  content.reserve(about.st_size);
  char piece[1 << 16];
  while (const std::size_t count = std::fread(piece, 1, sizeof piece, file.get())) {
    content.append(piece, count);
    if (std::ssize(content) > most) refuse_size(path, std::ssize(content), most);
  }
  if (std::ferror(file.get())) refuse(path, std::strerror(errno));
  if (std::ssize(content) < about.st_size) {
    refuse(path, fmt::format("only {} of its {} bytes could be read: another program may be writing it", content.size(),
                             about.st_size));
  }
  note_input(path, std::as_bytes(std::span(content)));
  return content;
}

}  // namespace shoal
