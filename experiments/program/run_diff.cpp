#include "experiments/program/run_diff.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "experiments/program/summary.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {
namespace {

// A column of a table: its rows as 64 bits each, and what they stand for.
struct ColumnView {
  std::string table, name;
  std::int64_t rows = 0;
  std::function<std::int64_t(std::int64_t row)> bits;
  std::function<double(std::int64_t row)> value;
  std::function<std::optional<std::int64_t>(std::int64_t row)> round;
};

template <class Row>
void add_rows(std::vector<ColumnView>& all, const char* table, const std::vector<Row>& rows) {
  for (const Field& field : fields<Row>()) {
    const auto bits = [&rows, offset = field.offset](std::int64_t row) {
      std::int64_t value = 0;
      std::memcpy(&value, reinterpret_cast<const std::byte*>(&rows[row]) + offset, sizeof value);
      return value;
    };
    const bool is_integer = field.type == FieldType::integer;
    all.push_back({.table = table,
                   .name = field.name,
                   .rows = std::ssize(rows),
                   .bits = bits,
                   .value = [bits, is_integer](std::int64_t row) -> double {
                     return is_integer ? bits(row) : std::bit_cast<double>(bits(row));
                   },
                   .round = [&rows](std::int64_t row) { return rows[row].round; }});
  }
}

using RoundOf = std::function<std::optional<std::int64_t>(std::int64_t row)>;

void add_table(std::vector<ColumnView>& all, const std::string& name, const Table& table, const RoundOf& round) {
  for (std::int64_t c = 0; c < std::ssize(table.columns); ++c) {
    const bool is_integer = table.columns[c].type == FieldType::integer;
    all.push_back({.table = name,
                   .name = table.columns[c].name,
                   .rows = table.rows(),
                   .bits = [&table, c](std::int64_t row) { return table.values[row * std::ssize(table.columns) + c]; },
                   .value = [&table, c, is_integer](std::int64_t row) -> double {
                     return is_integer ? table.integer(row, c) : table.real(row, c);
                   },
                   .round = round});
  }
}

std::vector<ColumnView> columns_of(const CellContents& cell) {
  std::vector<ColumnView> all;
  add_rows(all, "rounds", cell.rounds);
  add_rows(all, "clients", cell.participations);
  add_table(all, "clients", cell.figures, [&cell](std::int64_t row) { return cell.participations[row].round; });
  all.push_back({.table = "measures",
                 .name = "value",
                 .rows = std::ssize(cell.measures),
                 .bits = [&cell](std::int64_t row) { return std::bit_cast<std::int64_t>(cell.measures[row].value); },
                 .value = [&cell](std::int64_t row) { return cell.measures[row].value; },
                 .round = [&cell](std::int64_t row) { return cell.measures[row].round; }});
  for (const auto& [name, table] : cell.tables) {
    const auto round = std::ranges::find(table.columns, "round", &Column::name);
    const std::int64_t c = round - table.columns.begin();
    const bool has_round = round != table.columns.end();
    add_table(all, "tables/" + name, table, [&table, c, has_round](std::int64_t row) -> std::optional<std::int64_t> {
      if (!has_round) return std::nullopt;
      return table.integer(row, c);
    });
  }
  return all;
}

bool same_bits(const ColumnView& a, const ColumnView& b, std::int64_t row) {
  return a.bits(row) == b.bits(row) || (a.value(row) != a.value(row) && b.value(row) != b.value(row));  // NaN in both
}

std::optional<FirstDifference> first_in(const ColumnView& a, const ColumnView& b) {
  const std::int64_t both = std::min(a.rows, b.rows);
  for (std::int64_t row = 0; row < both; ++row) {
    if (!same_bits(a, b, row)) return FirstDifference{a.table, a.name, row, a.round(row), {a.value(row), b.value(row)}};
  }
  if (a.rows == b.rows) return std::nullopt;
  const ColumnView& longer = a.rows > b.rows ? a : b;
  return FirstDifference{a.table, "", both, longer.round(both), {not_measured, not_measured}};
}

std::optional<FirstDifference> first_in_models(const CellContents& a, const CellContents& b) {
  for (std::size_t i = 0; i < std::min(a.model.size(), b.model.size()); ++i) {
    const ModelParameter &x = a.model[i], &y = b.model[i];
    if (x.name == y.name && x.values.size() == y.values.size() && x.type == y.type) {
      const auto [at, other] = std::ranges::mismatch(x.values, y.values);
      if (at == x.values.end()) continue;
      const std::int64_t size = bytes_of(x.type), position = (at - x.values.begin()) / size;
      const auto value = [&](const ModelParameter& parameter) -> double {
        double real = 0;
        float single = 0;
        const bool is_single = x.type == ValueType::float32;
        std::memcpy(is_single ? static_cast<void*>(&single) : &real, parameter.values.data() + position * size, size);
        return is_single ? single : real;
      };
      return FirstDifference{"model", x.name, position, {}, {value(x), value(y)}};
    }
    return FirstDifference{"model", x.name, 0, {}, {not_measured, not_measured}};  // models of other shapes
  }
  if (a.model.size() == b.model.size()) return std::nullopt;
  return FirstDifference{"model", "", 0, {}, {not_measured, not_measured}};
}

// The earliest by round; in one round, in the order of the tables. A model is made by the rounds and comes last.
std::optional<FirstDifference> first_difference(const CellContents& a, const CellContents& b) {
  const std::vector<ColumnView> left = columns_of(a), right = columns_of(b);
  std::optional<FirstDifference> first;
  const auto earlier = [&](const FirstDifference& found) {
    if (!first) return true;
    return found.round && (!first->round || *found.round < *first->round);
  };
  for (const ColumnView& column : left) {
    const auto same = std::ranges::find_if(
        right, [&](const ColumnView& other) { return other.table == column.table && other.name == column.name; });
    if (same == right.end()) continue;  // a column of another task; its settings differ
    const std::optional<FirstDifference> found = first_in(column, *same);
    if (found && earlier(*found)) first = found;
  }
  return first ? first : first_in_models(a, b);
}

using Values = std::map<std::string, std::array<std::optional<std::string>, 2>>;

Values differing(const std::array<std::map<std::string, std::string>, 2>& sides) {
  Values all;
  for (int side : {0, 1}) {
    for (const auto& [key, value] : sides[side]) all[key][side] = value;
  }
  std::erase_if(all, [](const auto& entry) { return entry.second[0] == entry.second[1]; });
  return all;
}

std::map<std::string, std::string> settings_of(const CellContents& cell) {
  std::map<std::string, std::string> all;
  for (const Settings::Leaf& leaf : Settings::parse(cell.header.config, "configuration").leaves()) {
    all[leaf.key] = leaf.toml;
  }
  return all;
}

std::vector<std::pair<std::string, double>> results_of(const CellContents& cell) {
  const CellResult r = result_of(cell);
  const auto real = [](std::int64_t count) -> double { return count; };
  return {{"final_accuracy", r.final_accuracy}, {"best_accuracy", r.best_accuracy}, {"final_loss", r.final_loss},
          {"rounds", real(r.rounds)},           {"bytes_up", real(r.bytes_up)},     {"bytes_down", real(r.bytes_down)},
          {"dropouts", real(r.dropouts)},       {"rejected", real(r.rejected)},     {"wall_seconds", r.wall_seconds}};
}

CellDiff diff_cells(const CellContents& a, const CellContents& b) {
  CellDiff diff{.label = a.header.label,
                .seed = a.header.seed,
                .settings = differing({settings_of(a), settings_of(b)}),
                .provenance = differing({a.header.provenance, b.header.provenance}),
                .results = {},
                .status = {result_of(a).status, result_of(b).status},
                .hash = {a.result ? a.result->hash : "", b.result ? b.result->hash : ""}};
  const auto left = results_of(a), right = results_of(b);
  for (std::size_t i = 0; i < left.size(); ++i) {
    const double x = left[i].second, y = right[i].second;
    if (x != y && (x == x || y == y)) diff.results.push_back({left[i].first, {x, y}});
  }
  if (diff.hash[0].empty() || diff.hash[0] != diff.hash[1]) diff.first = first_difference(a, b);
  return diff;
}

std::string name_of(const CellContents& cell) { return fmt::format("{} seed {}", cell.header.label, cell.header.seed); }

}  // namespace

bool RunDiff::same() const {
  return only_in_first.empty() && only_in_second.empty() &&
         std::ranges::all_of(cells, [](const CellDiff& cell) { return !cell.first && cell.hash[0] == cell.hash[1]; });
}

RunDiff diff_runs(const std::array<std::string, 2>& files, const std::array<RunContents, 2>& runs) {
  RunDiff diff{.files = files};
  const auto& [left, right] = runs;
  if (left.cells.size() == 1 && right.cells.size() == 1) {
    diff.cells.push_back(diff_cells(left.cells[0], right.cells[0]));
    return diff;
  }
  std::map<std::string, const CellContents*> others;
  for (const CellContents& cell : right.cells) others[name_of(cell)] = &cell;
  for (const CellContents& cell : left.cells) {
    const auto other = others.find(name_of(cell));
    if (other == others.end()) {
      diff.only_in_first.push_back(name_of(cell));
      continue;
    }
    diff.cells.push_back(diff_cells(cell, *other->second));
    others.erase(other);
  }
  for (const auto& [name, cell] : others) diff.only_in_second.push_back(name);
  return diff;
}

}  // namespace shoal
