#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/python.hpp"

namespace shoal {
namespace {

struct TableOptions {
  std::string file, format = "text", out;
  bool json = false;
};

void print_table(const TableOptions& options) {
  std::vector<std::string> arguments = {options.file, "--format", options.format};
  if (options.json) arguments.emplace_back("--json");
  if (!options.out.empty()) arguments.insert(arguments.end(), {"--out", options.out});
  become_python("shoal.table", arguments);
}

CommandAction declare_table(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<TableOptions>();
  app.add_option("RUN.h5", options->file, "run file; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--format", options->format, "text, csv, latex or markdown (default text)")
      ->check(CLI::IsMember({"text", "csv", "latex", "markdown"}));
  app.add_option("--out", options->out, "file to write; default: print");
  app.add_flag("--json", options->json, "print one JSON object instead of text");
  return [options] {
    const Failure failure = caught([&] { print_table(*options); });  // returns only if Python cannot be started
    complain(failure.problem);
    if (options->json) print_json_error("table", failure.problem, failure.code);
    return failure.code;
  };
}

}  // namespace

Command table_command() {
  return {"table", "Print the table of a run again, or write it for a paper",
          "  shoal table results/quickstart.h5\n"
          "  shoal table results/quickstart.h5 --format latex --out quickstart.tex",
          declare_table};
}

}  // namespace shoal
