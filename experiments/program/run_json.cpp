#include "experiments/program/run_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "experiments/program/json.hpp"
#include "experiments/program/summary.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

using Write = std::function<void(const std::string&)>;

// The comma between items: none before the first.
class Separator {
 public:
  std::string next() { return std::exchange(is_first_, false) ? "" : ","; }

 private:
  bool is_first_ = true;
};

std::string key(const std::string& name) { return json_text(name) + ":"; }

// `text(row)`: the row's value as JSON.
template <class Text>
std::string column(const std::string& name, std::int64_t rows, Text&& text) {
  std::string line = key(name) + "[";
  for (std::int64_t row = 0; row < rows; ++row) {
    if (row > 0) line += ',';
    line += text(row);
  }
  return line + "]";
}

template <class Row>
std::string value_text(const Row& row, const Field& field) {
  const std::byte* at = reinterpret_cast<const std::byte*>(&row) + field.offset;
  if (field.type == FieldType::integer) {
    std::int64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return std::to_string(value);
  }
  double value = 0;
  std::memcpy(&value, at, sizeof value);
  return json_real_text(value);
}

void write_columns(const Table& table, Separator& separator, const Write& write) {
  for (std::int64_t c = 0; c < std::ssize(table.columns); ++c) {
    const bool is_integer = table.columns[c].type == FieldType::integer;
    write(separator.next() + column(table.columns[c].name, table.rows(), [&](std::int64_t row) {
            return is_integer ? std::to_string(table.integer(row, c)) : json_real_text(table.real(row, c));
          }));
  }
}

template <class Row>
void write_rows(const std::vector<Row>& rows, const Table& further, const Write& write) {
  Separator separator;
  for (const Field& field : fields<Row>()) {
    write(separator.next() +
          column(field.name, std::ssize(rows), [&](std::int64_t row) { return value_text(rows[row], field); }));
  }
  write_columns(further, separator, write);
}

void write_measures(const std::vector<MeasureRow>& rows, const Write& write) {
  const std::int64_t count = std::ssize(rows);
  write(column("round", count, [&](std::int64_t row) { return std::to_string(rows[row].round); }));
  write(",");
  write(column("name", count, [&](std::int64_t row) { return json_text(rows[row].name); }));
  write(",");
  write(column("value", count, [&](std::int64_t row) { return json_real_text(rows[row].value); }));
}

template <class Row>
Json units_of(const Table& further) {
  Json units = Json::object();
  for (const Field& field : fields<Row>()) units[field.name] = field.unit;
  for (const Column& column : further.columns) units[column.name] = column.unit;
  return units;
}

Json units_of(const Table& table) {
  Json units = Json::object();
  for (const Column& column : table.columns) units[column.name] = column.unit;
  return units;
}

Json units_of(const CellContents& cell) {
  Json units{{"rounds", units_of<RoundRow>({})}, {"clients", units_of<ParticipationRow>(cell.figures)}};
  for (const auto& [name, table] : cell.tables) units["tables/" + name] = units_of(table);
  return units;
}

class Wanted {
 public:
  explicit Wanted(const RunJsonOptions& options) : options_(options) {}
  bool cell(const CellContents& cell) const { return !options_.cell || cell.header.index == *options_.cell; }
  bool table(const std::string& name) const {
    return options_.tables.empty() || std::ranges::find(options_.tables, name) != options_.tables.end();
  }

 private:
  const RunJsonOptions& options_;
};

void write_cell(const CellContents& cell, const Wanted& wanted, const Write& write) {
  Json known = totals_json(cell);
  known["config"] = cell.header.config;
  known["provenance"] = cell.header.provenance;
  known["units"] = units_of(cell);
  std::string head = json_text(known);
  head.pop_back();  // its brace: the tables follow
  write(head);
  const auto in_braces = [&](const std::string& name, const auto& body) {
    write(key(name) + "{");
    body();
    write("}");
  };
  write(",\"tables\":{");
  Separator separator;
  const auto table = [&](const std::string& name, const auto& body) {
    if (!wanted.table(name)) return;
    write(separator.next());
    in_braces(name, body);
  };
  table("rounds", [&] { write_rows(cell.rounds, {}, write); });
  table("clients", [&] { write_rows(cell.participations, cell.figures, write); });
  table("measures", [&] { write_measures(cell.measures, write); });
  for (const auto& [name, rows] : cell.tables) {
    table("tables/" + name, [&] {
      Separator columns;
      write_columns(rows, columns, write);
    });
  }
  write("}}");
}

void check(const RunContents& run, const RunJsonOptions& options) {
  const auto is_wanted = [&](const CellContents& cell) { return Wanted(options).cell(cell); };
  if (std::ranges::none_of(run.cells, is_wanted) && options.cell) {
    user_error("there is no cell {} (the run has {}, counted from 0). Choose one of these.", *options.cell,
               run.cells.size());
  }
  std::set<std::string> known{"rounds", "clients", "measures"};
  for (const CellContents& cell : run.cells) {
    for (const auto& [name, rows] : cell.tables) known.insert("tables/" + name);
  }
  for (const std::string& name : options.tables) {
    if (known.contains(name)) continue;
    user_error("there is no table '{}' (the run has {}). Choose one of these.", name, fmt::join(known, ", "));
  }
}

}  // namespace

Json totals_json(const CellContents& cell) {
  const CellResult total = result_of(cell);
  return {{"index", cell.header.index},
          {"label", cell.header.label},
          {"seed", cell.header.seed},
          {"status", total.status},
          {"hash", cell.result ? Json(total.hash) : Json()},
          {"final_accuracy", json_real(total.final_accuracy)},
          {"best_accuracy", json_real(total.best_accuracy)},
          {"final_loss", json_real(total.final_loss)},
          {"rounds", total.rounds},
          {"rounds_to_target", total.rounds_to_target},
          {"time_to_target_us", total.time_to_target_us},
          {"bytes_down", total.bytes_down},
          {"bytes_up", total.bytes_up},
          {"dropouts", total.dropouts},
          {"rejected", total.rejected},
          {"abandoned", abandoned_rounds(cell)},
          {"wall_seconds", json_real(total.wall_seconds)}};
}

void write_run_json(const RunContents& run, const RunJsonOptions& options, const Write& write) {
  check(run, options);
  std::string head = json_text({{"command", "export"},
                                {"name", run.info.name},
                                {"program", run.info.program},
                                {"schema_version", run.schema_version},
                                {"finished", options.finished},
                                {"hash", options.finished ? Json(run.hash) : Json()}});
  head.pop_back();
  write(head + ",\"cells\":[");
  const Wanted wanted(options);
  Separator separator;
  for (const CellContents& cell : run.cells) {
    if (!wanted.cell(cell)) continue;
    write(separator.next());
    write_cell(cell, wanted, write);
  }
  write("]}\n");
}

}  // namespace shoal
