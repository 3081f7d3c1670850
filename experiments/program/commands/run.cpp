#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/run/run_command.hpp"

namespace shoal {
namespace {

CommandAction declare_run(CLI::App& app, const Arguments& arguments) {
  const auto command = std::make_shared<RunCommand>();
  add_experiment_options(app, *command);
  app.add_option("--out", command->options.out, "run file to write (HDF5); default: results/NAME.h5");
  add_rank_options(app, *command);
  add_table_option(app, command->options.blocks);
  CLI::Option* resume = app.add_flag("--resume", command->options.resume,
                                     "continue an interrupted run of the same experiment, or start it");
  app.add_flag("--anew", command->options.anew, "discard an interrupted run, or replace a run of other settings")
      ->excludes(resume);
  app.add_option("--checkpoint-every", command->options.limits.checkpoint_every,
                 "seconds between checkpoints (default 60); SIGUSR1 and SIGTERM save and stop")
      ->check(finite_number("time in seconds", 0));
  app.add_option("--time-limit", command->options.limits.stop_after,
                 "save and stop (exit code 75) before this many seconds have passed; 0: never")
      ->check(finite_number("time in seconds", 0));
  app.add_option(
         "--log-every", command->options.log_every,
         "seconds between two lines of progress where stdout is no terminal (default 10); 0: one per evaluation")
      ->check(finite_number("time in seconds", 0));
  const std::shared_ptr<bool> json = add_json_option(app);
  return [command, arguments, json] {
    command->json = command->options.quiet = *json;
    return run(*command, arguments);
  };
}

}  // namespace

Command run_command() {
  return {"run", "Run an experiment file: every cell of its grid, into one run file",
          "  shoal run experiments/quickstart.toml --ranks 2\n"
          "  shoal run experiments/quickstart.toml --set planner.cohort=20 --set 'grid.seed=[1, 2]' --out c20.h5\n"
          "  mpirun -n 4 shoal run experiments/quickstart.toml --ranks-per-cell 2\n"
          "  shoal run experiments/quickstart.toml --time-limit 3600 --resume",
          declare_run};
}

}  // namespace shoal
