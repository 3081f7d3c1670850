#include "sim/files/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sim/error.hpp"
#include "sim/files/inputs.hpp"

namespace shoal {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  user_error("cannot read '{}' ({}). Check the path and its permissions.", path, as_message(reason));
}

// Closes a file at the end of a scope: a mapping outlives it.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat about {};
  if (file.number < 0 || fstat(file.number, &about) != 0) refuse(path, std::strerror(errno));
  if (!S_ISREG(about.st_mode)) refuse(path, "it is not a regular file");
  size_ = about.st_size;
  if (size_ > 0) {  // an empty file cannot be mapped
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
    if (mapped == MAP_FAILED) refuse(path, std::strerror(errno));
    data_ = static_cast<const std::uint8_t*>(mapped);
  }
  note_input(path, std::as_bytes(bytes()));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::uint8_t*>(data_), size_);
}

}  // namespace shoal
