#pragma once
// Plays as plain text: speeches separated by empty lines, each a line `SPEAKER:` and the lines that are spoken.

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/readers/gzip.hpp"

namespace shoal::readers {

struct Speech {
  std::string speaker;  // without the colon
  std::string text;     // every line with its end; empty where nothing is spoken
};

/// The speeches of a file, plain or gzip, in its order. UserError for a character that is not printable ASCII, a first
/// line of a speech that does not name a speaker, and a last line without an end.
std::vector<Speech> read_play(const std::string& path, std::int64_t limit = gibibyte);

/// The same from memory; `name` is for the errors.
std::vector<Speech> parse_play(const Bytes& content, const std::string& name);

}  // namespace shoal::readers
