#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/run/run_command.hpp"

namespace shoal {
namespace {

CommandAction declare_verify(CLI::App& app, const Arguments& arguments) {
  const auto command = std::make_shared<RunCommand>();
  command->verify = true;
  app.add_option("RUN.h5", command->file, "run file")->required();
  add_rank_options(app, *command);
  const std::shared_ptr<bool> json = add_json_option(app);
  return [command, arguments, json] {
    command->json = command->options.quiet = *json;
    return run(*command, arguments);
  };
}

}  // namespace

Command verify_command() {
  return {"verify", "Run a run file's cells again and compare the hashes",
          "  shoal verify results/quickstart.h5 --ranks 3", declare_verify};
}

}  // namespace shoal
