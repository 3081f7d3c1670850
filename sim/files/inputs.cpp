#include "sim/files/inputs.hpp"

#include <algorithm>
#include <string_view>

#include "sim/digest.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

// Only within the life of an InputRecord on this thread; a part could forget to pass a record on.
thread_local InputRecord* current = nullptr;

constexpr std::size_t hash_length = 32;
constexpr std::string_view gap = "  ";

}  // namespace

InputRecord::InputRecord() : outer_(current) { current = this; }
InputRecord::~InputRecord() { current = outer_; }

void InputRecord::add(InputFile file) {
  const auto known = std::ranges::find(files_, file.path, &InputFile::path);
  if (known == files_.end()) {
    files_.push_back(std::move(file));
  } else {
    if (!file.hash.empty()) known->hash = std::move(file.hash);
    if (!file.doubt.empty()) known->doubt = std::move(file.doubt);
  }
}

void note_input(const std::string& path, std::span<const std::byte> content) {
  if (current != nullptr) current->add({path, Digest().add(content).hex()});
}

void note_doubt(const std::string& path, const std::string& text) {
  if (current != nullptr) current->add({path, "", text});
}

void note_inputs(const InputFiles& files) {
  if (current == nullptr) return;
  for (const InputFile& file : files) current->add(file);
}

std::string inputs_text(const InputFiles& files) {
  std::string text;
  for (const InputFile& file : files) text += fmt::format("{}{}{}\n", file.hash, gap, file.path);
  return text;
}

InputFiles parse_inputs(const std::string& text) {
  InputFiles files;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t name = hash_length + gap.size();
    if (line.size() <= name || line.substr(hash_length, gap.size()) != gap) continue;
    files.push_back({std::string(line.substr(name)), std::string(line.substr(0, hash_length))});
  }
  return files;
}

std::string inputs_digest(const InputFiles& files) {
  Digest digest;
  for (const InputFile& file : files) digest.add(file.hash).add("\n");
  return digest.hex();
}

void require_same_inputs(const InputFiles& earlier, const InputFiles& now, const std::string& run) {
  for (std::size_t i = 0; i < std::min(earlier.size(), now.size()); ++i) {
    if (earlier[i].hash == now[i].hash) continue;
    const std::string from = earlier[i].path == now[i].path ? "" : fmt::format(" from '{}'", earlier[i].path);
    user_error(
        "{}: was made from other data. File '{}' has the hash {} now; the run read {}{}. Restore the file, or run "
        "again with --anew.",
        run, now[i].path, now[i].hash, earlier[i].hash, from);
  }
  if (earlier.size() == now.size()) return;
  const bool fewer = now.size() < earlier.size();
  user_error("{}: was made from {} files, not {}: '{}' is {}. Restore the data, or run again with --anew.", run,
             earlier.size(), now.size(), fewer ? earlier[now.size()].path : now[earlier.size()].path,
             fewer ? "not read now" : "read besides");
}

}  // namespace shoal
