#include "sim/record/run_file.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "sim/digest.hpp"
#include "sim/error.hpp"
#include "sim/files/partial_file.hpp"
#include "sim/files/seal.hpp"
#include "sim/record/hdf5_file.hpp"
#include "sim/record/totals.hpp"
#include "sim/record/visit_cell.hpp"

namespace shoal {
namespace {

void write_result(hid_t group, const CellResult& result) {
  hdf5::write_attribute(group, "status", result.status);
  hdf5::write_attribute(group, "hash", result.hash);
  hdf5::write_attribute(group, "final_accuracy", result.final_accuracy);
  hdf5::write_attribute(group, "best_accuracy", result.best_accuracy);
  hdf5::write_attribute(group, "final_loss", result.final_loss);
  hdf5::write_attribute(group, "wall_seconds", result.wall_seconds);
  hdf5::write_attribute(group, "rounds", result.rounds);
  hdf5::write_attribute(group, "rounds_to_target", result.rounds_to_target);
  hdf5::write_attribute(group, "time_to_target_us", result.time_to_target_us);
  hdf5::write_attribute(group, "bytes_down", result.bytes_down);
  hdf5::write_attribute(group, "bytes_up", result.bytes_up);
  hdf5::write_attribute(group, "dropouts", result.dropouts);
  hdf5::write_attribute(group, "rejected", result.rejected);
}

// Everything of a cell but its rows, which stay in the journal, and the sizes of its tables.
struct CellOutline {
  std::string journal;
  std::uint64_t length = 0;  // bytes of the journal that were read: another process may be writing it
  CellHeader header;
  CellResult totals{.status = "unfinished", .hash = ""};
  std::optional<CellResult> result;
  std::vector<ModelParameter> model;
  std::int64_t rounds = 0, participations = 0, measures = 0;
  std::vector<Column> figures;
  std::size_t longest_name = 1;  // bytes; among the measures
  struct Shape {
    std::vector<Column> columns;
    std::int64_t rows = 0;
  };
  std::map<std::string, Shape> tables;
};

void count_rows(CellOutline& cell, const RoundRows& rows) {
  const std::int64_t round = rows.round.round;
  if (cell.rounds++ == 0) cell.figures = rows.figures.columns;
  require_same_columns(cell.figures, rows.figures.columns, "clients", round);
  cell.participations += std::ssize(rows.participations);
  for (const auto& [name, value] : rows.measures) {
    ++cell.measures;
    cell.longest_name = std::max(cell.longest_name, name.size());
  }
  for (const auto& [name, table] : rows.tables) {
    CellOutline::Shape& shape = cell.tables[name];
    if (shape.columns.empty()) shape.columns = table.columns;
    require_same_columns(shape.columns, table.columns, name, round);
    shape.rows += table.rows();
  }
  add_round(cell.totals, rows.round, 0);
}

CellOutline outline_of(const std::string& journal) {
  CellOutline cell{.journal = journal};
  cell.length =
      visit_cell(journal, {.header = [&](CellHeader header) { cell.header = std::move(header); },
                           .round = [&](const RoundRows& rows) { count_rows(cell, rows); },
                           .parameter = [&](ModelParameter parameter) { cell.model.push_back(std::move(parameter)); },
                           .result = [&](CellResult result) { cell.result = std::move(result); }});
  if (!cell.result) cell.model.clear();  // killed while the model was written
  return cell;
}

// An upper bound for the cell's part of the file. Compression makes tables smaller, but for a few bytes where it
// cannot.
std::int64_t bytes_at_most(const CellOutline& cell) {
  constexpr std::int64_t each = 16 << 10;  // headers, indices and attributes of a data set
  std::int64_t datasets = 8 + std::ssize(cell.model) + std::ssize(cell.tables), bytes = std::ssize(cell.header.config);
  for (const auto& [name, text] : cell.header.provenance) bytes += std::ssize(name) + std::ssize(text) + 512;
  bytes += cell.rounds * sizeof(RoundRow) + cell.measures * (16 + cell.longest_name);
  bytes += cell.participations * (sizeof(ParticipationRow) + 8 * cell.figures.size());
  for (const auto& [name, shape] : cell.tables) bytes += 8 * shape.rows * std::ssize(shape.columns);
  for (const ModelParameter& parameter : cell.model) bytes += std::ssize(parameter.values);
  return bytes + bytes / 32 + each * datasets;
}

// The rows are read from the journal again, one round at a time.
void write_tables(hid_t group, const CellOutline& cell) {
  using hdf5::TableWriter;
  TableWriter rounds = TableWriter::of_rows<RoundRow>(group, "rounds", cell.rounds, "row: one server step, in order");
  TableWriter clients = TableWriter::of_rows<ParticipationRow>(
      group, "clients", cell.participations, "row: one participation, in the order in which they ended", cell.figures);
  TableWriter measures = TableWriter::of_measures(group, cell.measures, cell.longest_name);
  const hdf5::Handle folder = hdf5::make_group(group, "tables");
  std::map<std::string, TableWriter> tables;
  for (const auto& [name, shape] : cell.tables) {
    tables.emplace(name, TableWriter::of_columns(folder, name, shape.columns, shape.rows, "row: in order of rounds"));
  }
  visit_cell(cell.journal,
             {.header = [](const CellHeader&) {},
              .round =
                  [&](const RoundRows& rows) {
                    rounds.add(std::as_bytes(std::span(&rows.round, 1)));
                    clients.add(rows.participations, rows.figures);
                    for (const auto& [name, value] : rows.measures) measures.add({rows.round.round, name, value});
                    for (const auto& [name, table] : rows.tables) tables.at(name).add(table);
                  },
              .parameter = [](const ModelParameter&) {},
              .result = [](const CellResult&) {}},
             cell.length);
  for (TableWriter* table : {&rounds, &clients, &measures}) table->finish();
  for (auto& [name, table] : tables) table.finish();
}

void write_cell(hid_t cells, const CellOutline& cell) {
  const hdf5::Handle group = hdf5::make_group(cells, std::to_string(cell.header.index));
  hdf5::write_attribute(group, "label", cell.header.label);
  hdf5::write_attribute(group, "seed", cell.header.seed);
  write_result(group, cell.result.value_or(cell.totals));
  hdf5::write_text(group, "config", cell.header.config);
  write_tables(group, cell);
  const hdf5::Handle provenance = hdf5::make_group(group, "provenance");
  for (const auto& [name, text] : cell.header.provenance) hdf5::write_attribute(provenance, name, text);
  const hdf5::Handle model = hdf5::make_group(group, "model");
  std::int64_t position = 0;
  for (const ModelParameter& parameter : cell.model) hdf5::write_parameter(model, parameter, position++);
}

}  // namespace

std::string run_hash(const std::vector<std::string>& cell_hashes) {
  Digest digest;
  for (const std::string& hash : cell_hashes) digest.add(hash).add("\n");
  return digest.hex();
}

void assemble_run_file(const std::string& path, const RunInfo& info, const std::vector<std::string>& journals) {
  const hdf5::QuietErrors quiet;
  PartialFile partial(path);
  std::int64_t end = 0, reserved = 64 << 10;
  std::map<std::int64_t, std::string> hashes;
  {
    hdf5::DiskFile file(partial.path());
    partial.reserve(reserved);
    hdf5::write_attribute(file.id(), "schema", std::string("shoal-run"));
    hdf5::write_attribute(file.id(), "schema_version", run_schema_version);
    hdf5::write_attribute(file.id(), "name", info.name);
    hdf5::write_attribute(file.id(), "program", info.program);
    const hdf5::Handle cells = hdf5::make_group(file.id(), "cells");
    for (const std::string& journal : journals) {
      const CellOutline cell = outline_of(journal);
      const bool is_new = hashes.emplace(cell.header.index, cell.result ? cell.result->hash : "").second;
      ensure(is_new, "two journals of cell {}, one of them '{}'", cell.header.index, journal);
      partial.reserve(file.flush() + bytes_at_most(cell) + reserved);
      write_cell(cells, cell);
    }
    std::vector<std::string> in_order;
    for (const auto& [index, hash] : hashes) in_order.push_back(hash);
    hdf5::write_attribute(file.id(), "hash", run_hash(in_order));
    end = file.flush();
  }
  partial.end_at(end);
  const std::string seal = seal_of_file(partial.path(), end);
  partial.write(std::as_bytes(std::span(seal)));
  partial.replace();
}

}  // namespace shoal
