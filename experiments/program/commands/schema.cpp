#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/schema.hpp"

namespace shoal {
namespace {

int print_schema(const std::string& of) {
  return respond("schema", false, [&]() -> Answer {
    const Json schema = of.empty() ? experiment_schema() : output_schema(of);
    return {.text = schema.dump(2) + "\n"};
  });
}

CommandAction declare_schema(CLI::App& app, const Arguments&) {
  const auto of = std::make_shared<std::string>();
  app.add_option("COMMAND", *of, "command whose --json output is described; default: the schema of experiment files");
  add_json_option(app);  // a schema is JSON anyway
  return [of] { return print_schema(*of); };
}

}  // namespace

Command schema_command() {
  return {"schema", "Print the JSON Schema of experiment files, for editors, or of what a command prints with --json",
          "  shoal schema > shoal.schema.json    then, in an experiment's first line: #:schema ./shoal.schema.json\n"
          "  shoal schema run",
          declare_schema};
}

}  // namespace shoal
