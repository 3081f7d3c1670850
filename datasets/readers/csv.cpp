#include "datasets/readers/csv.hpp"

#include <charconv>
#include <cmath>
#include <string_view>

#include "sim/error.hpp"

namespace shoal::readers {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string_view csv_field(std::string_view text) {
  text = trimmed(text);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return trimmed(text.substr(1, text.size() - 2));
}

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view mark = "\xef\xbb\xbf";
  if (text.starts_with(mark)) text.remove_prefix(mark.size());
  return text;
}

namespace {

// The field as an error shows it: short and printable, whatever the file holds.
std::string shown(std::string_view field) {
  std::string text;
  for (const char c : field.substr(0, 20)) text += c >= ' ' && c <= '~' ? c : '?';
  return field.size() > 20 ? text + "..." : text;
}

}  // namespace

Table parse_csv(const Bytes& content, const std::string& name, std::int64_t columns) {
  ensure(columns >= 1, "table '{}' of {} columns", name, columns);
  std::string_view rest = without_mark({reinterpret_cast<const char*>(content.data()), content.size()});
  if (rest.empty()) user_error("file '{}' is empty (expected rows of {} numbers). Download it again.", name, columns);
  Table table{.columns = columns, .values = {}};
  for (std::int64_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      user_error(
          "file '{}', line {} has no line end (it may be cut short). Download it again, or end it with a newline.",
          name, line);
    }
    std::string_view row = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    std::int64_t found = 0;
    for (bool more = true; more;) {
      const std::size_t comma = row.find(',');
      more = comma != std::string_view::npos;
      const std::string_view field = csv_field(row.substr(0, comma));
      row.remove_prefix(more ? comma + 1 : row.size());
      if (++found > columns) continue;  // counted for the message
      double number = 0;
      const auto [stop, failure] = std::from_chars(field.data(), field.data() + field.size(), number);
      if (failure != std::errc() || stop != field.data() + field.size() || !std::isfinite(number)) {
        user_error("file '{}', line {}, column {} is '{}' (expected a number). Check that it is the right file.", name,
                   line, found, shown(field));
      }
      table.values.push_back(number);
    }
    if (found != columns) {
      user_error("file '{}', line {} has {} columns (expected {}). Check that it is the right file.", name, line, found,
                 columns);
    }
  }
  return table;
}

Table read_csv(const std::string& path, std::int64_t columns, std::int64_t limit) {
  return parse_csv(read_unpacked(path, limit), path, columns);
}

}  // namespace shoal::readers
