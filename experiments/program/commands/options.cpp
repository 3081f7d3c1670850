#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/run/run_command.hpp"

namespace shoal {

void add_experiment_options(CLI::App& app, RunCommand& command) {
  app.add_option("FILE", command.file, "experiment (TOML); see experiments/*.toml for examples")->required();
  app.add_option("--set", command.sets, "change a setting, for example --set strategy.mu=0.1 (repeatable)")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
}

void add_rank_options(CLI::App& app, RunCommand& command) {
  app.add_option("--ranks", command.ranks, "start this many MPI ranks; or run under mpirun or srun yourself")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--threads", command.options.threads, "threads of each rank (default 1); never changes the result")
      ->check(CLI::Range(1, 1024));
  app.add_option("--ranks-per-cell", command.options.ranks_per_cell,
                 "ranks that share a cell of the grid (default: as many as make all cells run side by side)")
      ->check(CLI::Range(1, 1'000'000));
}

void add_table_option(CLI::App& app, std::string& blocks) {
  app.add_option("--blocks", blocks,
                 "table of block sizes (TOML), as 'shoal calibrate' writes it, where [local] leaves 'block' or 'form' "
                 "open (default: the built-in one)");
}

}  // namespace shoal
