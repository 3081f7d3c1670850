#include "tests/fuzzing/readers.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "datasets/readers/csv.hpp"
#include "datasets/readers/idx.hpp"
#include "datasets/readers/play.hpp"
#include "datasets/traces/convert.hpp"
#include "sim/error.hpp"
#include "sim/files/inputs.hpp"
#include "sim/files/safetensors.hpp"
#include "sim/record/cell_hash.hpp"
#include "sim/record/check_cell.hpp"
#include "sim/record/run_file.hpp"
#include "sim/settings/settings.hpp"

namespace shoal::fuzzing {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::int64_t most = 1 << 20;

std::vector<std::uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes) : file_(memfd_create("fuzzed", MFD_CLOEXEC)) {
    ensure(::write(file_, bytes.data(), bytes.size()) == std::ssize(bytes), "cannot write {} bytes", bytes.size());
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return fmt::format("/proc/self/fd/{}", file_); }

 private:
  int file_;
};

void read_toml(Bytes bytes) {
  const Settings settings = Settings::parse(text(bytes), "fuzzed");
  const std::string canonical = settings.canonical();
  const Settings again = Settings::parse(canonical, "again");
  ensure(again.canonical() == canonical, "canonical text changes:\n{}\n{}", canonical, again.canonical());
  settings.leaves();
  for (const std::string& key : settings.keys()) settings.number(key, 0, "fuzzed");
}

void read_csv(Bytes bytes) { readers::parse_csv(copy(bytes), "fuzzed", 3); }

void read_idx(Bytes bytes) {
  for (const int dimensions : {1, 2, 3}) {
    try {
      readers::parse_idx(copy(bytes), "fuzzed", {.dimensions = dimensions});
    } catch (const UserError&) {
      continue;  // another shape
    }
  }
  readers::parse_idx(copy(bytes), "fuzzed", {.type = readers::IdxType::int32, .dimensions = 2});
}

void read_gzip(Bytes bytes) { readers::gunzip(bytes, "fuzzed", most); }
void read_play(Bytes bytes) { readers::parse_play(copy(bytes), "fuzzed"); }
void read_safetensors(Bytes bytes) { parse_safetensors(std::as_bytes(bytes), "fuzzed"); }
void read_inputs(Bytes bytes) { inputs_digest(parse_inputs(text(bytes))); }

void read_trace(Bytes bytes) {
  const MemoryFile file(bytes);
  const bool flash = !bytes.empty() && bytes.size() % 2 == 0;
  (flash ? convert_flash : convert_fedscale)(file.path());
}

// A journal whose records have right checksums: those of random bytes are refused before anything is read. Each record
// is a byte for its kind, two for its length, and its payload.
void write_journal(const std::string& path, Bytes bytes) {
  Journal journal = Journal::create(path);
  while (bytes.size() >= 3) {
    const std::uint32_t kind = bytes[0] % 5;
    const std::size_t length = std::min<std::size_t>(bytes[1] | bytes[2] << 8, bytes.size() - 3);
    journal.append(kind, std::as_bytes(bytes.subspan(3, length)));
    bytes = bytes.subspan(3 + length);
  }
}

std::string journal_place() { return fmt::format("/dev/shm/shoal-fuzzed-{}", ::getpid()); }

void read_journal(Bytes bytes) {
  write_journal(journal_place(), bytes);
  check_cell(read_cell(journal_place()), "fuzzed");
}

// The same cell as a run file, read as a stranger's.
void read_run(Bytes bytes) {
  write_journal(journal_place(), bytes);
  const std::string path = journal_place() + ".h5";
  try {
    assemble_run_file(path, {"fuzzed", "0"}, {journal_place()});
  } catch (const SystemError&) {
    return;  // HDF5 does not take such names
  }
  for (const CellContents& cell : read_run_file(path).cells) hash_of(cell);
}

constexpr Reader table[] = {{"toml", read_toml},       {"csv", read_csv},
                            {"idx", read_idx},         {"gzip", read_gzip},
                            {"play", read_play},       {"trace", read_trace},
                            {"inputs", read_inputs},   {"run", read_run},
                            {"journal", read_journal}, {"safetensors", read_safetensors}};

}  // namespace

std::span<const Reader> readers() { return table; }

}  // namespace shoal::fuzzing
