#include "datasets/readers/play.hpp"

#include <string_view>

#include "sim/error.hpp"

namespace shoal::readers {

std::vector<Speech> parse_play(const Bytes& content, const std::string& name) {
  std::string_view rest(reinterpret_cast<const char*>(content.data()), content.size());
  if (rest.empty()) user_error("file '{}' is empty (expected speeches). Download it again.", name);
  std::vector<Speech> speeches;
  bool open = false;  // within a speech
  for (std::int64_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      user_error(
          "file '{}', line {} has no line end (it may be cut short). Download it again, or end it with a newline.",
          name, line);
    }
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    for (const char c : text) {
      if (c >= ' ' && c <= '~') continue;
      user_error("file '{}', line {} has a byte {} (expected printable ASCII). Check that it is the right file.", name,
                 line, static_cast<unsigned char>(c));
    }
    if (text.empty()) {
      open = false;
    } else if (open) {
      speeches.back().text.append(text).push_back('\n');
    } else {
      if (text.size() < 2 || text.back() != ':') {
        user_error("file '{}', line {} begins a speech without 'SPEAKER:'. Check that it is the right file.", name,
                   line);
      }
      speeches.push_back({std::string(text.substr(0, text.size() - 1)), {}});
      open = true;
    }
  }
  return speeches;
}

std::vector<Speech> read_play(const std::string& path, std::int64_t limit) {
  return parse_play(read_unpacked(path, limit), path);
}

}  // namespace shoal::readers
