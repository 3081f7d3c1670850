#include "sim/record/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "sim/digest.hpp"
#include "sim/read_file.hpp"
#include "sim/record/pack_state.hpp"
#include "sim/record/replace_file.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic = "shoal checkpoint 1\n";
constexpr std::size_t digest_length = 32;
constexpr std::size_t kept = 2;

std::string state_path(const std::string& stem, std::int64_t round) {
  return fmt::format("{}.round-{}.state", stem, round);
}
std::string memory_path(const std::string& stem, std::int64_t round, std::size_t rank) {
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

// Rounds that have a state file, newest first.
std::vector<std::int64_t> rounds_on_disk(const std::string& stem) {
  std::vector<std::int64_t> rounds;
  std::error_code missing;  // no folder: no checkpoints
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

// Rank 0 reads a state file for all; empty when it is damaged, with the reason in `problem`.
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

}  // namespace

void write_checkpoint(const std::string& stem, const FederationState& state, std::uint64_t journal_length,
                      Communicator& comm) {
  std::string memory_hash;
  if (!state.memory.empty()) {
    Packer memory;
    pack_memory(memory, state.memory);
    memory_hash = write_sealed(memory_path(stem, state.round, static_cast<std::size_t>(comm.rank())), memory.bytes());
  }
  const std::vector<Bytes> hashes = comm.gather_all(as_bytes(memory_hash));  // also: all memory files are there
  if (comm.rank() == 0) {
    Packer packer;
    packer.number(journal_length);
    packer.number(static_cast<std::uint64_t>(state.memory.empty() ? 0 : hashes.size()));
    if (!state.memory.empty()) {
      for (const Bytes& hash : hashes) packer.text(as_text(hash));
    }
    pack(packer, state);
    write_sealed(state_path(stem, state.round), packer.bytes());
    const std::vector<std::int64_t> rounds = rounds_on_disk(stem);
    const std::int64_t oldest = rounds[std::min(kept, rounds.size()) - 1];
    remove_rounds(stem, [&](std::int64_t round) { return round < oldest; });
  }
  comm.barrier();
}

Resumed read_checkpoint(const std::string& stem, std::uint64_t journal_length, FederationState& state,
                        Communicator& comm) {
  Packer list;
  const std::vector<std::int64_t> on_disk = comm.rank() == 0 ? rounds_on_disk(stem) : std::vector<std::int64_t>();
  list.array(std::span<const std::int64_t>(on_disk)).number(journal_length);
  Bytes shared(list.bytes().begin(), list.bytes().end());
  comm.broadcast(shared, 0);  // the folder as rank 0 sees it
  Unpacker unlist(shared, stem);
  const std::vector<std::int64_t> rounds = unlist.array<std::int64_t>();
  journal_length = unlist.number<std::uint64_t>();

  Resumed resumed;
  const FederationState before = state;
  for (const std::int64_t round : rounds) {
    const std::string path = state_path(stem, round);
    std::string problem;
    const Bytes content = share_state_file(path, problem, comm);
    std::vector<std::int64_t> bad(1, content.empty() ? 1 : 0);
    if (!content.empty()) {
      try {
        Unpacker unpacker(content, path);
        resumed.journal_length = unpacker.number<std::uint64_t>();
        if (*resumed.journal_length > journal_length) user_error("{}: is ahead of its journal", path);
        std::vector<std::string> hashes;
        for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) hashes.push_back(unpacker.text());
        unpack(unpacker, state);
        unpacker.finish();
        for (std::size_t r = 0; r < hashes.size(); ++r) {
          std::string hash;
          const std::string shard = memory_path(stem, round, r);
          const std::vector<std::byte> records = read_sealed(shard, hash);
          if (hash != hashes[r]) user_error("{}: belongs to another checkpoint", shard);
          Unpacker unpack_shard(records, shard);
          unpack_memory(unpack_shard, state.memory);
          unpack_shard.finish();
        }
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
    resumed.damaged.push_back(problem.empty() ? fmt::format("{}: another rank cannot read its part", path) : problem);
    state = before;
  }
  resumed.journal_length.reset();
  return resumed;
}

void remove_checkpoints(const std::string& stem) {
  remove_rounds(stem, [](std::int64_t) { return true; });
}

}  // namespace shoal
