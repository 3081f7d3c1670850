#pragma once
// Tables of numbers as text: one row per line, values separated by commas, no header. Spreadsheets write a byte-order
// mark first and may put fields in quotes; both are taken, quotes around commas or line ends are not.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/readers/gzip.hpp"

namespace shoal::readers {

/// A table of numbers, row by row.
struct Table {
  std::int64_t columns = 0;
  std::vector<double> values;  // [rows, columns]
  std::int64_t rows() const { return columns == 0 ? 0 : std::ssize(values) / columns; }
  std::span<const double> row(std::int64_t i) const { return std::span(values).subspan(i * columns, columns); }
};

/// `text` without blanks around it and without the quotes of a quoted field.
std::string_view csv_field(std::string_view text);
/// `text` without the byte-order mark of UTF-8, if it begins with one.
std::string_view without_mark(std::string_view text);

/// Reads a table whose every row has `columns` finite numbers, plain or gzip. Blanks around a number and CR LF are
/// accepted, as are quotes. UserError that names the line for anything else; also when the last line has no end,
/// because a number may then be cut short without a trace.
Table read_csv(const std::string& path, std::int64_t columns, std::int64_t limit = gibibyte);

/// The same from memory; `name` is for the errors.
Table parse_csv(const Bytes& content, const std::string& name, std::int64_t columns);

}  // namespace shoal::readers
