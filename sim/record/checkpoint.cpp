#include "sim/record/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "sim/digest.hpp"
#include "sim/files/read_file.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/round/pack_state.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic = "shoal checkpoint 6\n";
constexpr std::size_t digest_length = 32;
constexpr std::size_t kept = 2;

std::string state_path(const std::string& stem, std::int64_t round) {
  return fmt::format("{}.round-{}.state", stem, round);
}
std::string memory_path(const std::string& stem, std::int64_t round, int rank) {
  return fmt::format("{}.round-{}.memory-{}", stem, round, rank);
}

// File: magic, hash of the content in hexadecimal, content. Returns the hash.
std::string write_sealed(const std::string& path, std::span<const std::byte> content) {
  const std::string hash = Digest().add(content).hex();
  std::string head(magic);
  head += hash;
  const auto front = std::as_bytes(std::span(head));
  std::vector<std::byte> file(front.begin(), front.end());
  file.insert(file.end(), content.begin(), content.end());
  replace_file(path, file);
  return hash;
}

// The content of a file whose hash is right; UserError otherwise.
std::vector<std::byte> read_sealed(const std::string& path, std::string& hash) {
  const std::string text = read_file(path);
  const std::size_t head = magic.size() + digest_length;
  if (text.size() < head || !text.starts_with(magic)) user_error("{}: is cut short or of another version", path);
  hash = text.substr(magic.size(), digest_length);
  const auto content = std::as_bytes(std::span(text)).subspan(head);
  if (Digest().add(content).hex() != hash) user_error("{}: the content does not match its hash", path);
  return {content.begin(), content.end()};
}

// "STEM.round-12.state" gives 12; -1 for other files.
std::int64_t round_of(const std::string& stem_name, const std::string& file) {
  const std::string front = stem_name + ".round-";
  if (!file.starts_with(front)) return -1;
  std::int64_t round = -1;
  const char* first = file.data() + front.size();
  std::from_chars(first, file.data() + file.size(), round);
  return round;
}

// The rounds that have a state file, newest first.
std::vector<std::int64_t> rounds_on_disk(const std::string& stem) {
  std::vector<std::int64_t> rounds;
  std::error_code missing;  // no folder means no checkpoints
  for (const auto& entry : fs::directory_iterator(fs::path(stem).parent_path(), missing)) {
    const std::string name = entry.path().filename().string();
    const std::int64_t round = round_of(fs::path(stem).filename().string(), name);
    if (round >= 0 && name.ends_with(".state")) rounds.push_back(round);
  }
  std::ranges::sort(rounds, std::greater<>{});
  return rounds;
}

// Removes the files of every round for which `unwanted` holds.
template <class Predicate>
void remove_rounds(const std::string& stem, const Predicate& unwanted) {
  std::vector<fs::path> doomed;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(fs::path(stem).parent_path(), missing)) {
    const std::int64_t round = round_of(fs::path(stem).filename().string(), entry.path().filename().string());
    if (round >= 0 && unwanted(round)) doomed.push_back(entry.path());
  }
  for (const fs::path& path : doomed) fs::remove(path, missing);
}

std::string as_text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
Bytes as_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Rank 0 reads a state file for all ranks; empty when it is damaged, with the reason in `problem` at rank 0.
Bytes share_state_file(const std::string& path, std::string& problem, Communicator& comm) {
  Bytes content;
  if (comm.rank() == 0) {
    try {
      std::string hash;
      content = read_sealed(path, hash);
    } catch (const UserError& error) {
      problem = error.what();
    }
  }
  comm.broadcast(content, 0);
  return content;
}

// Restores the process from a state file and returns the length of the journal at that time. UserError when the file
// or one of the memory files whose hashes it lists is not valid.
std::uint64_t read_state(std::span<const std::byte> content, const std::string& stem, std::int64_t round,
                         std::uint64_t longest_journal, Process& process) {
  const std::string path = state_path(stem, round);
  Unpacker unpacker(content, path);
  const auto journal_length = unpacker.number<std::uint64_t>();
  if (journal_length > longest_journal) user_error("{}: is ahead of its journal", path);
  std::vector<std::string> hashes;
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) hashes.push_back(unpacker.text());
  process.unpack(unpacker);
  unpacker.finish();
  for (int r = 0; r < std::ssize(hashes); ++r) {
    std::string hash;
    const std::string shard = memory_path(stem, round, r);
    const std::vector<std::byte> records = read_sealed(shard, hash);
    if (hash != hashes[r]) user_error("{}: belongs to another checkpoint", shard);
    Unpacker unpack_shard(records, shard);
    for (ClientMemory* memory : process.memories()) unpack_memory(unpack_shard, *memory);
    unpack_shard.finish();
  }
  return journal_length;
}

// Reverts what a damaged checkpoint may have changed.
void undo(std::span<const std::byte> before, Process& process) {
  Unpacker unpacker(before, "the state before the first step");
  process.unpack(unpacker);
  for (ClientMemory* memory : process.memories()) memory->clear();
}

// The rounds of the checkpoints that rank 0 sees, newest first, and the length of its journal.
std::vector<std::int64_t> share_rounds(const std::string& stem, std::uint64_t& journal_length, Communicator& comm) {
  Packer list;
  const std::vector<std::int64_t> on_disk = comm.rank() == 0 ? rounds_on_disk(stem) : std::vector<std::int64_t>();
  list.array(std::span<const std::int64_t>(on_disk)).number(journal_length);
  Bytes shared(list.bytes().begin(), list.bytes().end());
  comm.broadcast(shared, 0);
  Unpacker unlist(shared, stem);
  std::vector<std::int64_t> rounds = unlist.array<std::int64_t>();
  journal_length = unlist.number<std::uint64_t>();
  return rounds;
}

}  // namespace

void write_checkpoint(const std::string& stem, Process& process, std::uint64_t journal_length, Communicator& comm) {
  const std::vector<ClientMemory*> memories = process.memories();
  const std::int64_t round = process.round();
  std::string memory_hash;
  if (!memories.empty()) {
    Packer memory;
    for (const ClientMemory* of_task : memories) pack_memory(memory, *of_task);
    memory_hash = write_sealed(memory_path(stem, round, comm.rank()), memory.bytes());
  }
  // This also waits until all ranks have written their memory files.
  const std::vector<Bytes> hashes = comm.gather_all(as_bytes(memory_hash));
  if (comm.rank() == 0) {
    Packer packer;
    packer.number(journal_length);
    packer.number<std::uint64_t>(memories.empty() ? 0 : hashes.size());
    if (!memories.empty()) {
      for (const Bytes& hash : hashes) packer.text(as_text(hash));
    }
    process.pack(packer);
    write_sealed(state_path(stem, round), packer.bytes());
    const std::vector<std::int64_t> rounds = rounds_on_disk(stem);
    const std::int64_t oldest = rounds[std::min(kept, rounds.size()) - 1];
    remove_rounds(stem, [&](std::int64_t other) { return other < oldest; });
  }
  comm.barrier();
}

Resumed read_checkpoint(const std::string& stem, std::uint64_t journal_length, Process& process, Communicator& comm) {
  const std::vector<std::int64_t> rounds = share_rounds(stem, journal_length, comm);
  Packer before;
  process.pack(before);
  Resumed resumed;
  for (const std::int64_t round : rounds) {
    std::string problem;
    const Bytes content = share_state_file(state_path(stem, round), problem, comm);
    std::vector<std::int64_t> bad(1, content.empty() ? 1 : 0);
    if (!content.empty()) {
      try {
        resumed.journal_length = read_state(content, stem, round, journal_length, process);
      } catch (const UserError& error) {
        problem = error.what();
        bad[0] = 1;
      }
    }
    comm.sum(bad);
    if (bad[0] == 0) {
      if (comm.rank() == 0) remove_rounds(stem, [&](std::int64_t other) { return other > round; });
      return resumed;
    }
    if (problem.empty()) problem = fmt::format("{}: another rank cannot read its part", state_path(stem, round));
    resumed.damaged.push_back(problem);
    undo(before.bytes(), process);
  }
  resumed.journal_length.reset();
  return resumed;
}

void remove_checkpoints(const std::string& stem) {
  remove_rounds(stem, [](std::int64_t) { return true; });
}

}  // namespace shoal
