#include "sim/record/run_file.hpp"

#include <map>

#include "sim/digest.hpp"
#include "sim/error.hpp"
#include "sim/files/seal.hpp"
#include "sim/record/hdf5_file.hpp"
#include "sim/record/totals.hpp"

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

void write_cell(hid_t cells, const CellContents& cell) {
  const hdf5::Handle group = hdf5::make_group(cells, std::to_string(cell.header.index));
  hdf5::write_attribute(group, "label", cell.header.label);
  hdf5::write_attribute(group, "seed", cell.header.seed);
  write_result(group, cell.result.value_or(totals_so_far(cell.rounds, 0)));
  hdf5::write_text(group, "config", cell.header.config);
  hdf5::write_table(group, "rounds", cell.rounds, "row: one server step, in order");
  hdf5::write_table(group, "clients", cell.participations, "row: one participation, in the order in which they ended",
                    cell.figures);
  hdf5::write_measures(group, cell.measures);
  const hdf5::Handle tables = hdf5::make_group(group, "tables");
  for (const auto& [name, table] : cell.tables) hdf5::write_table(tables, name, table, "row: in order of rounds");
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
  hdf5::MemoryFile file;
  hdf5::write_attribute(file.id(), "schema", std::string("shoal-run"));
  hdf5::write_attribute(file.id(), "schema_version", run_schema_version);
  hdf5::write_attribute(file.id(), "name", info.name);
  hdf5::write_attribute(file.id(), "program", info.program);
  std::map<std::int64_t, std::string> hashes;
  {
    const hdf5::Handle cells = hdf5::make_group(file.id(), "cells");
    for (const std::string& journal : journals) {  // one cell in memory at a time
      const CellContents cell = read_cell(journal);
      const bool is_new = hashes.emplace(cell.header.index, cell.result ? cell.result->hash : "").second;
      ensure(is_new, "two journals of cell {}, one of them '{}'", cell.header.index, journal);
      write_cell(cells, cell);
    }
  }
  std::vector<std::string> in_order;
  for (const auto& [index, hash] : hashes) in_order.push_back(hash);
  hdf5::write_attribute(file.id(), "hash", run_hash(in_order));
  const std::span<const std::byte> image = file.image();
  const std::string seal = seal_of(image);
  replace_file(path, image, std::as_bytes(std::span(seal)));
}

}  // namespace shoal
