#pragma once
// The files that a run has read: its results depend on every byte of them, so they are recorded with their hashes.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace shoal {

/// A file that was read; `hash` is the Digest of its contents, as they are after unpacking. `doubt` is for the user: it
/// tells what is odd about the file, and is empty for most.
struct InputFile {
  std::string path, hash, doubt{};
};
using InputFiles = std::vector<InputFile>;

/// While it exists, everything that this thread reads through `read_file`, `MappedFile` or a reader that calls
/// `note_input` is recorded, so that no part can read a file unseen. The newest record hides older ones.
class InputRecord {
 public:
  InputRecord();
  ~InputRecord();
  InputRecord(const InputRecord&) = delete;
  InputRecord& operator=(const InputRecord&) = delete;

  /// In the order of the first reads.
  const InputFiles& files() const { return files_; }

 private:
  friend void note_input(const std::string&, std::span<const std::byte>);
  friend void note_inputs(const InputFiles&);
  friend void note_doubt(const std::string&, const std::string&);
  void add(InputFile file);

  InputFiles files_;
  InputRecord* outer_;
};

/// Records that `path` was read and held these bytes; a later call for the same path counts instead. Without a record
/// nothing is computed.
void note_input(const std::string& path, std::span<const std::byte> content);
/// Records what is odd about a file that is read; the text continues "file 'PATH' ".
void note_doubt(const std::string& path, const std::string& text);
/// Records files whose contents were kept from an earlier read.
void note_inputs(const InputFiles& files);

/// One line per file: its hash, two blanks, its path. `parse_inputs` is the inverse and leaves out what is no such
/// line.
std::string inputs_text(const InputFiles& files);
InputFiles parse_inputs(const std::string& text);

/// One Digest over the hashes in their order. Paths do not count: data may lie elsewhere.
std::string inputs_digest(const InputFiles& files);

/// UserError that names the first file whose contents differ from those that `run` was made from.
void require_same_inputs(const InputFiles& earlier, const InputFiles& now, const std::string& run);

}  // namespace shoal
