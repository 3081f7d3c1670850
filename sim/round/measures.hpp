#pragma once
// Results that only some rounds report: named numbers and tables.

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace shoal {

/// The measurements of a round by name: "accuracy" and "loss" of the server's model, a metric of the task, or a number
/// that a part reports.
using Measures = std::map<std::string, double, std::less<>>;

enum class FieldType : std::int8_t { integer, real };  // int64 or double, eight bytes each

struct Column {
  std::string name;
  FieldType type = FieldType::real;
  std::string unit;

  bool operator==(const Column&) const = default;
};

/// Rows of integers and reals. Tables with the same name have the same columns in all rounds of a cell, and the run
/// file holds their rows one after the other.
struct Table {
  std::vector<Column> columns;
  std::vector<std::int64_t> values{};  // row by row; a real is stored as the bits of its double

  std::int64_t rows() const { return columns.empty() ? 0 : std::ssize(values) / std::ssize(columns); }
  /// Appends one row: a value for each column, of its type.
  void add(std::initializer_list<std::variant<std::int64_t, double>> row);
  double real(std::int64_t row, std::int64_t column) const;
  std::int64_t integer(std::int64_t row, std::int64_t column) const;
};

/// Tables by name, which is also their name in the run file.
using Tables = std::map<std::string, Table, std::less<>>;

}  // namespace shoal
