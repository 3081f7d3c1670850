#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "experiments/program/exit_codes.hpp"
#include "experiments/program/run/run_command.hpp"

namespace shoal {

std::string name_of(const CLI::App& app) { return app.get_name(); }

std::shared_ptr<bool> add_json_option(CLI::App& app) {
  const auto given = std::make_shared<bool>(false);
  app.add_flag("--json", *given, "print one JSON object instead of text; 'shoal schema' prints its schema");
  return given;
}

int respond(const std::string& command, bool as_json, const std::function<Answer()>& body) {
  Answer answer;
  const Failure failure = caught([&] { answer = body(); });
  if (failure.code != 0) {
    complain(failure.problem);
    if (as_json) print_json_error(command, failure.problem, failure.code);
    return failure.code;
  }
  return guarded("",
                 [&] {
                   if (as_json) {
                     print_json(command, answer.json);
                   } else {
                     fmt::print("{}", answer.text);
                   }
                   if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
                     system_error("cannot write to stdout: {}", std::strerror(errno));  // a full disk
                 }) == 0
             ? answer.code
             : other_error_code;
}

CLI::Validator finite_number(const char* what, double least) {
  const auto problem = [what, least](const std::string& text) -> std::string {
    double number = 0;
    if (CLI::detail::lexical_cast(text, number) && std::isfinite(number) && number >= least) return "";
    return fmt::format("{} is no {}", text, what);
  };
  return CLI::Validator(problem, "NUMBER");
}

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
