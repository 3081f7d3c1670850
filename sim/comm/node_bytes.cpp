#include "sim/comm/node_bytes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "sim/error.hpp"

namespace shoal {
namespace {

// A file in memory, without a name: nothing is left behind however its processes end.
class MemoryFile {
 public:
  explicit MemoryFile(int file) : file_(file) {
    if (file_ < 0) system_error("cannot open the memory that a node shares ({})", std::strerror(errno));
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) system_error("cannot write to the memory that a node shares ({})", std::strerror(errno));
      bytes = bytes.subspan(written);
    }
  }
  // From now on no process can change it: a reader cannot fault because another one has cut it.
  void seal() {
    if (fcntl(file_, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
      system_error("cannot seal the memory that a node shares ({})", std::strerror(errno));
    }
  }
  // Other processes of the same user open it by this name, as long as this object lives.
  std::string name() const { return fmt::format("/proc/{}/fd/{}", getpid(), file_); }

  NodeBytes map() const {
    struct stat facts {};
    if (fstat(file_, &facts) != 0) system_error("fstat failed ({})", std::strerror(errno));
    NodeBytes bytes{nullptr, static_cast<std::size_t>(facts.st_size)};
    if (bytes.size == 0) return bytes;
    void* begin = mmap(nullptr, bytes.size, PROT_READ, MAP_SHARED, file_, 0);
    if (begin == MAP_FAILED) system_error("cannot map the memory that a node shares ({})", std::strerror(errno));
    bytes.begin = {static_cast<const std::byte*>(begin),
                   [size = bytes.size](const std::byte* p) { munmap(const_cast<std::byte*>(p), size); }};
    return bytes;
  }

 private:
  int file_;
};

}  // namespace

NodeBytes hold_on_node(Communicator& comm, const std::function<void(const WriteBytes&)>& make) {
  Communicator& node = comm.node();
  Bytes name;
  if (node.rank() != 0) {
    node.broadcast(name, 0);
    const std::string path(reinterpret_cast<const char*>(name.data()), name.size());
    NodeBytes bytes = MemoryFile(open(path.c_str(), O_RDONLY | O_CLOEXEC)).map();
    node.barrier();
    return bytes;
  }
  MemoryFile file(memfd_create("shoal", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  make([&](std::span<const std::byte> bytes) { file.append(bytes); });
  file.seal();
  const std::string path = file.name();
  const auto letters = std::as_bytes(std::span(path));
  name.assign(letters.begin(), letters.end());
  node.broadcast(name, 0);
  // Older kernels map sealed memory only through a file that was opened for reading.
  NodeBytes bytes = MemoryFile(open(path.c_str(), O_RDONLY | O_CLOEXEC)).map();
  node.barrier();  // all have opened it
  return bytes;
}

}  // namespace shoal
