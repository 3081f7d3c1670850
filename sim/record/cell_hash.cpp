#include "sim/record/cell_hash.hpp"

#include <cstring>
#include <vector>

namespace shoal {
namespace {

// Adds the values of one column of plain rows.
template <class Row>
void add_column(Digest& digest, std::span<const Row> rows, const Field& field, std::vector<std::byte>& buffer) {
  buffer.resize(8 * rows.size());
  std::byte* to = buffer.data();
  for (const Row& row : rows) {
    std::memcpy(to, reinterpret_cast<const std::byte*>(&row) + field.offset, 8);
    to += 8;
  }
  digest.add(buffer);
}

}  // namespace

CellHash::CellHash() {
  for (const Field& field : fields<RoundRow>()) columns_[std::string("rounds/") + field.name];
  for (const Field& field : fields<ParticipationRow>()) columns_[std::string("clients/") + field.name];
  for (const char* column : {"round", "name", "value"}) columns_[std::string("measures/") + column];
}

void CellHash::add(const RoundRows& rows) {
  add_rows(std::span(&rows.round, 1), rows.participations);
  for (const auto& [name, value] : rows.measures) add_measure(rows.round.round, name, value);
  add_table("clients", rows.figures);
  for (const auto& [name, table] : rows.tables) add_table(name, table);
}

void CellHash::add_rows(std::span<const RoundRow> rounds, std::span<const ParticipationRow> participations) {
  std::vector<std::byte> buffer;
  for (const Field& field : fields<RoundRow>()) {
    add_column(columns_.at(std::string("rounds/") + field.name), rounds, field, buffer);
  }
  for (const Field& field : fields<ParticipationRow>()) {
    add_column(columns_.at(std::string("clients/") + field.name), participations, field, buffer);
  }
}

void CellHash::add_measure(std::int64_t round, const std::string& name, double value) {
  columns_.at("measures/round").add(round);
  columns_.at("measures/name").add(name).add("\n");
  columns_.at("measures/value").add(value);
}

void CellHash::add_table(const std::string& name, const Table& table) {
  const std::int64_t width = std::ssize(table.columns);
  for (std::int64_t c = 0; c < width; ++c) {
    Digest& column = columns_[name + "/" + table.columns[c].name];
    for (std::int64_t r = 0; r < table.rows(); ++r) column.add(table.values[r * width + c]);
  }
}

std::string CellHash::finish(std::span<const ModelParameter> model) {
  Digest all;
  for (auto& [name, digest] : columns_) all.add(name).add(" ").add(digest.hex()).add("\n");
  for (const ModelParameter& parameter : model) {
    all.add("model/").add(parameter.name).add(" ").add(Digest().add(parameter.values).hex()).add("\n");
  }
  return all.hex();
}

std::string hash_of(const CellContents& cell) {
  CellHash hash;
  hash.add_rows(cell.rounds, cell.participations);
  for (const MeasureRow& row : cell.measures) hash.add_measure(row.round, row.name, row.value);
  hash.add_table("clients", cell.figures);
  for (const auto& [name, table] : cell.tables) hash.add_table(name, table);
  return hash.finish(cell.model);
}

}  // namespace shoal
