#include "sim/record/journal_folder.hpp"

#include <charconv>
#include <filesystem>
#include <vector>

#include "sim/error.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/checkpoint_name.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view journal_prefix = "cell-";

bool is_own(const std::string& name) {
  const std::string stem = name.substr(0, name.find('.'));
  return is_journal_name(stem) && (name == stem || checkpoint_round(stem, name) >= 0);
}

}  // namespace

std::string journal_folder(const std::string& run) { return run + ".journal"; }

std::string journal_path(const std::string& run, std::int64_t cell) {
  return fmt::format("{}/{}{:06d}", journal_folder(run), journal_prefix, cell);
}

bool is_journal_name(std::string_view name) {
  if (!name.starts_with(journal_prefix)) return false;
  name.remove_prefix(journal_prefix.size());
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

std::string journal_lock(const std::string& run) { return journal_folder(run) + "/lock"; }

// "STEM.round-12.state", "STEM.round-12.memory-3" and what a kill left of their writing give 12; -1 for other files.
std::int64_t checkpoint_round(const std::string& journal, const std::string& file) {
  const std::string front = journal + ".round-";
  if (!file.starts_with(front)) return -1;
  std::int64_t round = -1;
  const char* const end = file.data() + file.size();
  const char* rest = std::from_chars(file.data() + front.size(), end, round).ptr;
  const std::string_view suffix(rest, end - rest);
  if (suffix == ".state" || is_partial_name(suffix, ".state")) return round;
  constexpr std::string_view memory = ".memory-";
  if (!suffix.starts_with(memory)) return -1;
  int rank = -1;
  const char* const number = rest + memory.size();
  const char* const shard_end = std::from_chars(number, end, rank).ptr;
  const std::string_view shard = suffix.substr(0, shard_end - rest);
  return rank >= 0 && (shard_end == end || is_partial_name(suffix, shard)) ? round : -1;
}

void check_journal_folder(const std::string& run) {
  const std::string folder = journal_folder(run);
  std::error_code failure;
  const fs::file_type type = fs::symlink_status(folder, failure).type();
  if (type != fs::file_type::not_found && type != fs::file_type::directory) {
    user_error("'{}' is no folder of its own, so no journal is kept there. Remove it, or choose another --out.",
               folder);
  }
}

void make_journal_folder(const std::string& run) {
  check_journal_folder(run);
  const std::string folder = journal_folder(run);
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) system_error("cannot make the folder '{}': {}", folder, failure.message());
}

void remove_journals(const std::string& run) {
  std::vector<fs::path> own;
  std::error_code ignored;  // there may be no folder
  for (const auto& entry : fs::directory_iterator(journal_folder(run), ignored)) {
    if (is_own(entry.path().filename().string()) && !entry.is_directory(ignored)) own.push_back(entry.path());
  }
  for (const fs::path& path : own) fs::remove(path);
}

void remove_journal_folder(const std::string& run) {
  remove_journals(run);
  std::error_code ignored;  // the folder stays where it holds other files
  fs::remove(journal_lock(run), ignored);
  fs::remove(journal_folder(run), ignored);
}

}  // namespace shoal
