#include "sim/round/measures.hpp"

#include <bit>

#include "sim/error.hpp"

namespace shoal {

void Table::add(std::initializer_list<std::variant<std::int64_t, double>> row) {
  ensure(row.size() == columns.size(), "a row of {} values in a table with {} columns", row.size(), columns.size());
  const Column* column = columns.data();
  for (const auto& value : row) {
    const bool is_integer = std::holds_alternative<std::int64_t>(value);
    ensure(is_integer == (column->type == FieldType::integer), "a value of another type in column '{}'", column->name);
    values.push_back(is_integer ? std::get<std::int64_t>(value) : std::bit_cast<std::int64_t>(std::get<double>(value)));
    ++column;
  }
}

std::int64_t Table::integer(std::int64_t row, std::int64_t column) const {
  return values.at(row * std::ssize(columns) + column);
}

double Table::real(std::int64_t row, std::int64_t column) const { return std::bit_cast<double>(integer(row, column)); }

}  // namespace shoal
