#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/export.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

struct ExportOptions {
  std::string file, folder;
  std::optional<std::int64_t> cell;
};

void export_files(const ExportOptions& options) {
  const RunContents run = read_run(options.file);
  if (!run.sealed) {
    fmt::print(stderr, "shoal: '{}' has no valid seal: another program has written or changed it\n", options.file);
  }
  std::string folder = options.folder;
  if (folder.empty()) folder = std::filesystem::path(options.file).replace_extension().string() + "-export";
  for (const std::string& path : export_run(run, folder, options.cell)) fmt::print("{}\n", path);
  for (const CellContents& cell : run.cells) {
    const bool wanted = !options.cell || cell.header.index == *options.cell;
    if (wanted && !cell.result)
      fmt::print(stderr, "shoal: cell {} is unfinished and has no model yet\n", cell.header.index);
  }
}

CommandAction declare_export(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<ExportOptions>();
  app.add_option("RUN.h5", options->file, "run file; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--out", options->folder, "folder to write to; default: RUN-export");
  app.add_option("--cell", options->cell, "only this cell of the grid, counted from 0");
  return action(options, export_files);
}

}  // namespace

Command export_command() {
  return {"export", "Write a run as files for other programs: models as safetensors, tables as CSV",
          "  shoal export results/quickstart.h5 --out quickstart --cell 0", declare_export};
}

}  // namespace shoal
