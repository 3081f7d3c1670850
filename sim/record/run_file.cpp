#include "sim/record/run_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "sim/digest.hpp"
#include "sim/error.hpp"
#include "sim/record/hdf5_file.hpp"

namespace shoal {
namespace {

std::string partial_name(const std::string& path) { return path + ".partial"; }

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

void sync_path(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  const bool failed = file < 0 || ::fsync(file) != 0;
  const int reason = errno;
  if (file >= 0) ::close(file);
  // Some file systems cannot sync folders, and say so.
  if (failed && !((flags & O_DIRECTORY) && reason == EINVAL)) {
    system_error("cannot sync '{}': {}", path, std::strerror(reason));
  }
}

// Removes a half-written file when an error leaves the scope.
struct RemoveUnlessRenamed {
  std::string path;
  bool renamed = false;
  ~RemoveUnlessRenamed() {
    if (!renamed) ::unlink(path.c_str());
  }
};

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
  hdf5::write_attribute(group, "dropped", result.dropped);
  hdf5::write_attribute(group, "rejected", result.rejected);
}

CellResult so_far(const CellContents& cell) {
  CellResult result{.status = "unfinished", .hash = "", .rounds = std::ssize(cell.rounds)};
  for (const RoundRow& row : cell.rounds) {
    result.bytes_down += row.bytes_down;
    result.bytes_up += row.bytes_up;
    result.dropped += row.dropped;
    result.rejected += row.rejected;
  }
  return result;
}

void write_cell(hid_t cells, const CellContents& cell) {
  const hdf5::Handle group = hdf5::make_group(cells, std::to_string(cell.header.index));
  hdf5::write_attribute(group, "label", cell.header.label);
  hdf5::write_attribute(group, "seed", cell.header.seed);
  write_result(group, cell.result.value_or(so_far(cell)));
  hdf5::write_text(group, "config", cell.header.config);
  hdf5::write_table(group, "rounds", cell.rounds, "row: one server step, in order");
  hdf5::write_table(group, "clients", cell.participations, "row: one participation, in the order in which they ended");
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
  RemoveUnlessRenamed partial{partial_name(path)};
  const std::string what = "write run file '" + path + "'";
  hdf5::Handle file(H5Fcreate(partial.path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose, what);
  hdf5::write_attribute(file, "schema", std::string("shoal-run"));
  hdf5::write_attribute(file, "schema_version", run_schema_version);
  hdf5::write_attribute(file, "name", info.name);
  hdf5::write_attribute(file, "program", info.program);
  std::map<std::int64_t, std::string> hashes;
  {
    const hdf5::Handle cells = hdf5::make_group(file, "cells");
    for (const std::string& journal : journals) {  // one cell in memory at a time
      const CellContents cell = read_cell(journal);
      const bool is_new = hashes.emplace(cell.header.index, cell.result ? cell.result->hash : "").second;
      ensure(is_new, "two journals of cell {}, one of them '{}'", cell.header.index, journal);
      write_cell(cells, cell);
    }
  }
  std::vector<std::string> in_order;
  for (const auto& [index, hash] : hashes) in_order.push_back(hash);
  hdf5::write_attribute(file, "hash", run_hash(in_order));
  hdf5::check(H5Fflush(file, H5F_SCOPE_GLOBAL), what);
  file.close(what);

  sync_path(partial.path, 0);
  if (::rename(partial.path.c_str(), path.c_str()) != 0) {
    system_error("cannot rename '{}' to '{}': {}", partial.path, path, std::strerror(errno));
  }
  partial.renamed = true;
  sync_path(folder_of(path), O_DIRECTORY);
}

void check_writable(const std::string& path) {
  const std::string folder = folder_of(path);
  if (!std::filesystem::is_directory(folder)) {
    user_error("folder '{}' of run file '{}' does not exist. Make it, or choose another place?", folder, path);
  }
  if (path.empty() || path.ends_with('/') || std::filesystem::is_directory(path)) {
    user_error("run file '{}' is a folder. Add a file name?", path);
  }
  // Really tried: permissions alone do not tell of read-only file systems.
  const std::string trial = partial_name(path);
  const int file = ::open(trial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) {
    user_error("run file '{}' cannot be written ({}). Choose another folder?", path, std::strerror(errno));
  }
  ::close(file);
  ::unlink(trial.c_str());
}

}  // namespace shoal
