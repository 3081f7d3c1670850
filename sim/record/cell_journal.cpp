#include "sim/record/cell_journal.hpp"

#include "sim/error.hpp"
#include "sim/files/journal_reader.hpp"
#include "sim/record/visit_cell.hpp"

namespace shoal {
namespace {

// A change of a kind's contents needs a new kind or a new format version of the journal.
enum Kind : std::uint32_t { header_kind = 1, round_kind = 2, parameter_kind = 3, result_kind = 4 };

CellHeader take_header(Unpacker& bytes) {
  CellHeader header;
  header.index = bytes.number<std::int64_t>();
  header.label = bytes.text();
  header.seed = bytes.number<std::int64_t>();
  header.config = bytes.text();
  for (auto left = bytes.number<std::uint64_t>(); left > 0; --left) {
    std::string name = bytes.text();
    header.provenance[std::move(name)] = bytes.text();
  }
  return header;
}

Table unpack_table(Unpacker& bytes) {
  Table table;
  for (auto left = bytes.number<std::uint64_t>(); left > 0; --left) {
    Column column{.name = bytes.text()};
    column.type = static_cast<FieldType>(bytes.number<std::int8_t>());
    column.unit = bytes.text();
    table.columns.push_back(std::move(column));
  }
  table.values = bytes.array<std::int64_t>();
  if (table.columns.empty() || std::ssize(table.values) % std::ssize(table.columns) != 0) {
    user_error("a table in '{}' has {} values in {} columns. Use the version that wrote it.", bytes.source(),
               table.values.size(), table.columns.size());
  }
  return table;
}

void pack_table(Packer& packer, const Table& table) {
  packer.number<std::uint64_t>(table.columns.size());
  for (const Column& column : table.columns) {
    packer.text(column.name).number(static_cast<std::int8_t>(column.type)).text(column.unit);
  }
  packer.array(std::span(table.values));
}

}  // namespace

void require_same_columns(const std::vector<Column>& before, const std::vector<Column>& now, const std::string& table,
                          std::int64_t round) {
  if (before == now) return;
  user_error("the columns of table '{}' change in round {}. A cell has the same in all of its rounds.", table, round);
}

namespace {

// Rows of later rounds follow those of earlier ones.
void append(Table& all, const Table& table, const std::string& name, std::int64_t round) {
  if (all.columns.empty()) all.columns = table.columns;
  require_same_columns(all.columns, table.columns, name, round);
  all.values.insert(all.values.end(), table.values.begin(), table.values.end());
}

CellResult take_result(Unpacker& bytes) {
  CellResult result;
  result.status = bytes.text();
  result.hash = bytes.text();
  for (double* real : {&result.final_accuracy, &result.best_accuracy, &result.final_loss, &result.wall_seconds}) {
    *real = bytes.number<double>();
  }
  for (std::int64_t* count : {&result.rounds, &result.rounds_to_target, &result.time_to_target_us, &result.bytes_down,
                              &result.bytes_up, &result.dropouts, &result.rejected}) {
    *count = bytes.number<std::int64_t>();
  }
  return result;
}

ModelParameter take_parameter(Unpacker& bytes, const std::string& path) {
  ModelParameter parameter;
  parameter.name = bytes.text();
  parameter.shape = bytes.array<std::int64_t>();
  parameter.type = static_cast<ValueType>(bytes.number<std::int8_t>());
  parameter.values = bytes.array<std::byte>();
  if (!is_whole(parameter)) {
    user_error("parameter '{}' in '{}' has {} bytes, not those of its shape. Use the version that wrote it.",
               parameter.name, path, parameter.values.size());
  }
  return parameter;
}

}  // namespace

CellJournal::CellJournal(std::string path, const CellHeader& header) : journal_(Journal::create(std::move(path))) {
  Packer bytes;
  bytes.number(header.index).text(header.label).number(header.seed).text(header.config);
  bytes.number<std::uint64_t>(header.provenance.size());
  for (const auto& [name, text] : header.provenance) bytes.text(name).text(text);
  journal_.append(header_kind, bytes.bytes());
}

CellJournal CellJournal::resume(std::string path, std::uint64_t length) {
  return CellJournal(Journal::resume(std::move(path), length));
}

void CellJournal::round(const RoundRows& rows) {
  Packer bytes;
  pack(bytes, rows);
  journal_.append(round_kind, bytes.bytes());
}

void pack(Packer& packer, const RoundRows& rows) {
  packer.row(rows.round).array(std::span(rows.participations));
  const bool has_figures = !rows.figures.columns.empty();
  packer.number<std::uint64_t>(has_figures ? 1 : 0);
  if (has_figures) pack_table(packer, rows.figures);
  packer.number<std::uint64_t>(rows.measures.size());
  for (const auto& [name, value] : rows.measures) packer.text(name).number(value);
  packer.number<std::uint64_t>(rows.tables.size());
  for (const auto& [name, table] : rows.tables) {
    packer.text(name);
    pack_table(packer, table);
  }
}

RoundRows unpack_round(Unpacker& unpacker) {
  RoundRows rows;
  rows.round = unpacker.row<RoundRow>();
  rows.participations = unpacker.array<ParticipationRow>();
  const bool has_figures = unpacker.number<std::uint64_t>() != 0;
  if (has_figures) rows.figures = unpack_table(unpacker);
  if (has_figures && rows.figures.rows() != std::ssize(rows.participations)) {
    user_error("a round in '{}' has {} participations and figures of {}. Use the version that wrote it.",
               unpacker.source(), rows.participations.size(), rows.figures.rows());
  }
  for (auto left = unpacker.number<std::uint64_t>(); left > 0; --left) {
    const std::string name = unpacker.text();
    rows.measures[name] = unpacker.number<double>();
  }
  for (auto left = unpacker.number<std::uint64_t>(); left > 0; --left) {
    const std::string name = unpacker.text();
    rows.tables[name] = unpack_table(unpacker);
  }
  return rows;
}

std::vector<RoundRows> read_rounds(const std::string& path) {
  std::vector<RoundRows> rounds;
  visit_cell(path, {.header = [](const CellHeader&) {},
                    .round = [&](RoundRows rows) { rounds.push_back(std::move(rows)); },
                    .parameter = [](const ModelParameter&) {},
                    .result = [](const CellResult&) {}});
  return rounds;
}

void add_round(CellContents& cell, RoundRows rows) {
  for (auto& [name, value] : rows.measures) cell.measures.push_back({rows.round.round, name, value});
  for (auto& [name, table] : rows.tables) {
    append(cell.tables[name], table, name, rows.round.round);
  }
  cell.rounds.push_back(rows.round);
  if (cell.rounds.size() > 1) {
    require_same_columns(cell.figures.columns, rows.figures.columns, "clients", rows.round.round);
  }
  append(cell.figures, rows.figures, "clients", rows.round.round);
  cell.participations.insert(cell.participations.end(), rows.participations.begin(), rows.participations.end());
}

void CellJournal::finish(const CellResult& result, std::span<const ModelParameter> model) {
  for (const ModelParameter& parameter : model) {
    ensure(is_whole(parameter), "parameter '{}' does not fill its shape", parameter.name);
    Packer bytes;
    bytes.text(parameter.name).array(std::span(parameter.shape)).number(static_cast<std::int8_t>(parameter.type));
    bytes.array(std::span(parameter.values));
    journal_.append(parameter_kind, bytes.bytes());
  }
  // The result comes last, so that a cell with a result has its whole model.
  Packer bytes;
  bytes.text(result.status).text(result.hash);
  bytes.number(result.final_accuracy)
      .number(result.best_accuracy)
      .number(result.final_loss)
      .number(result.wall_seconds);
  bytes.number(result.rounds).number(result.rounds_to_target).number(result.time_to_target_us);
  bytes.number(result.bytes_down).number(result.bytes_up).number(result.dropouts).number(result.rejected);
  journal_.append(result_kind, bytes.bytes());
}

std::uint64_t visit_cell(const std::string& path, const CellVisitor& visitor, std::uint64_t most) {
  JournalReader journal(path);
  bool begun = false;
  for (JournalRecord record; journal.length() < most && journal.next(record); begun = true) {
    if (!begun && record.kind != header_kind) break;
    Unpacker bytes(record.payload, path);
    switch (record.kind) {
      case header_kind:
        visitor.header(take_header(bytes));
        break;
      case round_kind:
        visitor.round(unpack_round(bytes));
        break;
      case parameter_kind:
        visitor.parameter(take_parameter(bytes, path));
        break;
      case result_kind:
        visitor.result(take_result(bytes));
        break;
      default:
        user_error("journal '{}' has a record of unknown kind {}. Use the version that wrote it.", path, record.kind);
    }
    bytes.finish();
  }
  if (!begun) {
    user_error(
        "journal '{}' does not begin with a cell (a run killed at its start leaves this). Delete it and run again.",
        path);
  }
  return journal.length();
}

namespace {

// `take`: changes a round before it is added.
template <class Take>
CellContents gather(const std::string& path, bool with_model, const Take& take) {
  CellContents cell;
  cell.length = visit_cell(path, {.header = [&](CellHeader header) { cell.header = std::move(header); },
                                  .round =
                                      [&](RoundRows rows) {
                                        take(rows);
                                        add_round(cell, std::move(rows));
                                      },
                                  .parameter =
                                      [&](ModelParameter parameter) {
                                        if (with_model) cell.model.push_back(std::move(parameter));
                                      },
                                  .result = [&](CellResult result) { cell.result = std::move(result); }});
  if (!cell.result) cell.model.clear();  // killed while the model was written
  return cell;
}

}  // namespace

CellContents read_cell(const std::string& path) {
  return gather(path, true, [](RoundRows&) {});
}

CellContents read_cell_rounds(const std::string& path) {
  return gather(path, false, [](RoundRows& rows) {
    rows.participations.clear();
    rows.figures = {};
    rows.tables.clear();
  });
}

}  // namespace shoal
