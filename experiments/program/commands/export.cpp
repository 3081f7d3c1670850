#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/export.hpp"
#include "experiments/program/run_json.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

struct ExportOptions {
  std::string file, folder;
  RunJsonOptions tables;
};

Answer export_files(const ExportOptions& options) {
  const RunContents run = read_run(options.file);
  if (!run.sealed) {
    complain(fmt::format("'{}' has no valid seal: another program has written or changed it", options.file));
  }
  std::string folder = options.folder;
  if (folder.empty()) folder = std::filesystem::path(options.file).replace_extension().string() + "-export";
  Answer answer{.json = {{"folder", folder}, {"files", Json::array()}}};
  for (const std::string& path : export_run(run, folder, options.tables.cell)) {
    answer.text += path + "\n";
    answer.json["files"].push_back(path);
  }
  for (const CellContents& cell : run.cells) {
    const bool wanted = !options.tables.cell || cell.header.index == *options.tables.cell;
    if (wanted && !cell.result) complain(fmt::format("cell {} is unfinished and has no model yet", cell.header.index));
  }
  return answer;
}

int print_tables(const ExportOptions& options) {
  const Failure failure = caught([&] {
    RunJsonOptions wanted = options.tables;
    // Asked first: a run that ends now is called unfinished once more, not finished too early.
    const bool has_journals = std::filesystem::exists(journal_folder(options.file));
    const RunContents run = read_run(options.file);
    wanted.finished = !has_journals &&
                      std::ranges::all_of(run.cells, [](const CellContents& cell) { return cell.result.has_value(); });
    write_run_json(run, wanted, [](const std::string& piece) { std::fwrite(piece.data(), 1, piece.size(), stdout); });
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      system_error("cannot write to stdout: the disk may be full");
  });
  if (failure.code == 0) return 0;
  complain(failure.problem);
  print_json_error("export", failure.problem, failure.code);
  return failure.code;
}

CommandAction declare_export(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<ExportOptions>();
  app.add_option("RUN.h5", options->file, "run file; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--out", options->folder, "folder to write to; default: RUN-export");
  app.add_option("--cell", options->tables.cell, "only this cell of the grid, counted from 0");
  const auto json = std::make_shared<bool>(false);
  app.add_flag("--json", *json,
               "print the run's tables as one JSON object instead of writing files; with --out, write the files and "
               "print their names as JSON");
  CLI::Option* table = app.add_option("--table", options->tables.tables,
                                      "with --json, only this table, for example rounds or clients (repeatable)")
                           ->allow_extra_args(false);
  return [options, json, table] {
    if (*json && options->folder.empty()) return print_tables(*options);
    return respond("export", *json, [&]() -> Answer {
      if (*table) user_error("--table: chooses what --json prints. Leave it out, or use --json without --out.");
      return export_files(*options);
    });
  };
}

}  // namespace

Command export_command() {
  return {"export", "Write a run as files for other programs: models as safetensors, tables as CSV or JSON",
          "  shoal export results/quickstart.h5 --out quickstart --cell 0\n"
          "  shoal export results/quickstart.h5 --json --table rounds",
          declare_export};
}

}  // namespace shoal
