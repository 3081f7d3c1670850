#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/python.hpp"

namespace shoal {
namespace {

struct TableOptions {
  std::string file, format = "text", out;
};

Answer table_text(const TableOptions& options) {
  std::vector<std::string> arguments = {options.file, "--format", options.format};
  if (!options.out.empty()) arguments.insert(arguments.end(), {"--out", options.out});
  return {.text = call_python("shoal.table", arguments)};
}

Answer table_object(const TableOptions& options) {
  if (!options.out.empty()) user_error("--json prints the table, and --out writes it. Leave one of them out.");
  Json lines = Json::parse(call_python("shoal.table", {options.file, "--format", "json"}));
  Json columns = lines.empty() ? Json::array() : lines.front();
  if (!lines.empty()) lines.erase(0);
  return {.text = "", .json = {{"file", options.file}, {"columns", columns}, {"rows", lines}}};
}

CommandAction declare_table(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<TableOptions>();
  app.add_option("RUN.h5", options->file, "run file; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--format", options->format, "text, csv, latex or markdown (default text)")
      ->check(CLI::IsMember({"text", "csv", "latex", "markdown"}));
  app.add_option("--out", options->out, "file to write; default: print");
  return [command = name_of(app), json = add_json_option(app), options] {
    return respond(command, *json, [&] { return *json ? table_object(*options) : table_text(*options); });
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
