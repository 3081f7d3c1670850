#include "sim/record/run_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <new>
#include <stdexcept>

#include "sim/error.hpp"
#include "sim/files/seal.hpp"
#include "sim/record/check_cell.hpp"
#include "sim/record/hdf5_file.hpp"

namespace shoal {
namespace {

using hdf5::read_integer_attribute;
using hdf5::read_real_attribute;
using hdf5::read_text_attribute;

CellResult read_result(hid_t group, std::int64_t schema) {
  return {.status = read_text_attribute(group, "status"),
          .hash = read_text_attribute(group, "hash"),
          .final_accuracy = read_real_attribute(group, "final_accuracy"),
          .best_accuracy = read_real_attribute(group, "best_accuracy"),
          .final_loss = read_real_attribute(group, "final_loss"),
          .rounds = read_integer_attribute(group, "rounds"),
          .rounds_to_target = read_integer_attribute(group, "rounds_to_target"),
          .time_to_target_us = read_integer_attribute(group, "time_to_target_us"),
          .bytes_down = read_integer_attribute(group, "bytes_down"),
          .bytes_up = read_integer_attribute(group, "bytes_up"),
          .dropouts = read_integer_attribute(group, schema < 3 ? "dropped" : "dropouts"),
          .rejected = read_integer_attribute(group, "rejected"),
          .wall_seconds = read_real_attribute(group, "wall_seconds")};
}

std::map<std::string, std::string> read_provenance(hid_t cell) {
  std::map<std::string, std::string> facts;
  const hdf5::Handle provenance = hdf5::open_group(cell, "provenance");
  for (const std::string& name : hdf5::attribute_names(provenance)) facts[name] = read_text_attribute(provenance, name);
  return facts;
}

CellContents read_cell_group(hid_t cells, std::int64_t index, std::int64_t schema) {
  const hdf5::Handle group = hdf5::open_group(cells, std::to_string(index));
  CellContents cell;
  cell.header.index = index;
  cell.header.label = read_text_attribute(group, "label");
  cell.header.seed = read_integer_attribute(group, "seed");
  cell.header.config = hdf5::read_text(group, "config");
  cell.header.provenance = read_provenance(group);
  cell.rounds = hdf5::read_table<RoundRow>(group, "rounds", schema);
  cell.participations = hdf5::read_table<ParticipationRow>(group, "clients", schema);
  if (schema >= 3) {
    cell.figures = hdf5::read_further_columns(group, "clients", fields<ParticipationRow>());
    cell.measures = hdf5::read_measures(group);
    const hdf5::Handle tables = hdf5::open_group(group, "tables");
    for (const std::string& name : hdf5::member_names(tables)) cell.tables[name] = hdf5::read_table(tables, name);
  }
  CellResult result = read_result(group, schema);
  if (result.status != "unfinished") cell.result = std::move(result);
  cell.model = hdf5::read_parameters(hdf5::open_group(group, "model"));
  return cell;
}

std::vector<std::int64_t> cell_indices(hid_t cells) {
  std::vector<std::int64_t> indices;
  for (const std::string& name : hdf5::member_names(cells)) {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (error != std::errc{} || end != name.data() + name.size()) system_error("cell '{}' has no number", name);
    indices.push_back(index);
  }
  std::ranges::sort(indices);
  return indices;
}

RunContents read_cells(hid_t file, std::int64_t schema) {
  RunContents run{.schema_version = schema};
  run.info = {read_text_attribute(file, "name"), read_text_attribute(file, "program")};
  run.hash = read_text_attribute(file, "hash");
  const hdf5::Handle cells = hdf5::open_group(file, "cells");
  for (const std::int64_t index : cell_indices(cells)) run.cells.push_back(read_cell_group(cells, index, schema));
  return run;
}

// Opens a run file of a known schema and calls `read(file, schema)`; what HDF5 refuses is an error of the user's.
template <class Read>
auto opened(const std::string& path, const Read& read) {
  const hdf5::QuietErrors quiet;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    user_error("cannot read run file '{}' ({}). Check the path.", path, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) user_error("run file '{}' is no regular file. Check the path.", path);
  const Seal seal = seal_at_end(path);
  if (seal == Seal::broken) {
    user_error(
        "run file '{}' does not match its own hash, so it is damaged. Restore it from a copy, or remove it and run "
        "again.",
        path);
  }
  try {
    const hdf5::Handle file = hdf5::open_file(path);
    hdf5::check_extent(file, status.st_size - (seal == Seal::whole ? seal_size : 0));
    if (!hdf5::has_attribute(file, "schema") || read_text_attribute(file, "schema") != "shoal-run") {
      user_error("'{}' is an HDF5 file, but not a run file of Shoal. Check the path.", path);
    }
    const std::int64_t version = read_integer_attribute(file, "schema_version");
    if (version < oldest_schema_version || version > run_schema_version) {
      user_error("run file '{}' has schema version {} (this program reads {} to {}). Use the version that wrote it.",
                 path, version, oldest_schema_version, run_schema_version);
    }
    return read(file, version, seal);
  } catch (const hdf5::Locked&) {
    user_error("run file '{}' is locked: another program has it open for writing. Close it there.", path);
  } catch (const SystemError& error) {
    user_error("'{}' is not a whole run file: {}. Check the path and whether the file was cut short.", path,
               error.what());
  } catch (const std::bad_alloc&) {
    user_error("run file '{}' does not fit into memory, or is damaged. Check that it is complete.", path);
  }
}

}  // namespace

RunContents read_run_file(const std::string& path) {
  return opened(path, [&](hid_t file, std::int64_t schema, Seal seal) {
    RunContents run = read_cells(file, schema);
    run.sealed = seal == Seal::whole;
    for (const CellContents& cell : run.cells) check_cell(cell, path);
    return run;
  });
}

RunOutline read_outline(const std::string& path) {
  return opened(path, [](hid_t file, std::int64_t, Seal) {
    RunOutline outline;
    const hdf5::Handle cells = hdf5::open_group(file, "cells");
    for (const std::int64_t index : cell_indices(cells)) {
      const hdf5::Handle group = hdf5::open_group(cells, std::to_string(index));
      outline.cells.push_back({index, read_text_attribute(group, "status") != "unfinished",
                               hdf5::read_text(group, "config"), read_provenance(group)});
    }
    return outline;
  });
}

}  // namespace shoal
