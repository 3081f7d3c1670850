// The program `shoal`.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>

#include "experiments/explain.hpp"
#include "experiments/launch.hpp"
#include "experiments/run_grid.hpp"
#include "experiments/table.hpp"

namespace {

using namespace shoal;  // NOLINT: the program is written in its own namespace's words

constexpr int user_error_code = 2, other_error_code = 1;

// LibTorch's messages go on with a stack trace.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Runs `body`; prints what it throws as one line, prefixed where several ranks might speak. Returns the exit code.
template <class Body>
int guarded(const std::string& prefix, Body&& body) {
  try {
    body();
    return 0;
  } catch (const UserError& error) {
    fmt::print(stderr, "shoal: {}{}\n", prefix, error.what());
    return user_error_code;
  } catch (const BrokenInvariant& error) {
    fmt::print(stderr, "shoal: {}this is a defect of the program, please report it: {}\n", prefix, error.what());
    return other_error_code;
  } catch (const std::exception& error) {
    fmt::print(stderr, "shoal: {}{}\n", prefix, first_line(error.what()));
    return other_error_code;
  }
}

struct RunCommand {
  std::string file;
  std::vector<std::string> sets;
  RunOptions options;
  int ranks = 0;
};

void report(const GridResult& result) {
  fmt::print("\n{}\nrun file   {}\nhash       {}\n", comparison_table(result.cells), result.out, result.hash);
}

// One process per rank. What is wrong with the user's input shows on every rank alike, so the first that sees it
// speaks for all; once the run is under way a failing rank ends the others.
int run_as_rank(RunCommand command) {
  MpiSession session(nullptr, nullptr);
  const std::unique_ptr<Communicator> world = session.world();
  std::string problem;
  Settings experiment;
  int code = 0;
  try {
    experiment = load_experiment(command.file, command.sets);
    command.options.out = check_experiment(experiment, command.options);
  } catch (const UserError& error) {
    problem = error.what(), code = user_error_code;
  } catch (const std::exception& error) {
    problem = first_line(error.what()), code = other_error_code;
  }
  const auto bytes = std::as_bytes(std::span(problem));
  const std::vector<Bytes> problems = world->gather_all(Bytes(bytes.begin(), bytes.end()));
  const auto first = std::ranges::find_if(problems, [](const Bytes& text) { return !text.empty(); });
  if (first != problems.end()) {
    if (first - problems.begin() == world->rank()) fmt::print(stderr, "shoal: {}\n", problem);
    return code == 0 ? user_error_code : code;
  }

  const std::string prefix = world->size() > 1 ? fmt::format("rank {} of {}: ", world->rank(), world->size()) : "";
  code = guarded(prefix, [&] {
    const GridResult result = run_grid(experiment, command.options, *world);
    if (world->rank() == 0) report(result);
  });
  if (code != 0 && world->size() > 1) world->abort(code);
  return code;
}

int run(const RunCommand& command, int argc, char** argv) {
  const bool is_rank = under_launcher();  // MPI sets a launcher's variables in a process without one, too
  if (!is_rank) note_terminal();
  if (command.ranks == 0 || is_rank) return run_as_rank(command);
  return guarded("", [&] {
    // Errors in the experiment show here, once and before any rank starts.
    check_experiment(load_experiment(command.file, command.sets), command.options);
    launch_ranks(command.ranks, {argv + 1, argv + argc});
  });
}

// A wrong command line is one line too. All ranks got the same one.
int reject_arguments(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands({})) commands.push_back(command->get_name());
  const std::string first = argc > 1 ? argv[1] : "";
  const bool known = std::ranges::find(commands, first) != commands.end();
  std::string problem = first_line(error.what()), help = known ? first + " --help" : "--help";
  const bool word = problem.size() > 1 && std::islower(static_cast<unsigned char>(problem[1])) != 0;  // FILE stays
  if (word) problem[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(problem[0])));
  if (!known && !first.empty() && !first.starts_with('-')) {
    problem = fmt::format("there is no command '{}'", first);
    if (const std::string near = nearest(first, commands); !near.empty()) help = near;
  }
  if (speaks_for_all()) fmt::print(stderr, "shoal: {}. Try 'shoal {}'?\n", problem, help);
  return user_error_code;
}

}  // namespace

int main(int argc, char** argv) {
  if (const int code = guarded("", [&] { pin_library_threads(argv); }); code != 0) return code;
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of write(), not a death

  CLI::App app{
      "Shoal compares federated-learning strategies on simulated clients, with the same bits on any number of "
      "ranks.\n\n"
      "  shoal run experiments/quickstart.toml --ranks 2     run an experiment\n"
      "  shoal list                                          what strategies, planners, data sets ... there are\n"
      "  shoal explain fed_prox                              what a part does and which settings it reads"};
  app.name("shoal");
  app.require_subcommand(1);
  app.set_version_flag("--version", SHOAL_VERSION " (" SHOAL_COMMIT ")");

  RunCommand command;
  CLI::App* run_app = app.add_subcommand("run", "Run an experiment file: every cell of its grid, into one run file");
  run_app->add_option("FILE", command.file, "experiment (TOML); see experiments/*.toml for examples")->required();
  run_app->add_option("--set", command.sets, "change a setting, for example --set strategy.mu=0.1 (repeatable)")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  run_app->add_option("--out", command.options.out, "run file to write (HDF5); default: results/NAME.h5");
  run_app->add_option("--ranks", command.ranks, "start this many MPI ranks; or run under mpirun or srun yourself")
      ->check(CLI::Range(1, 1'000'000));
  run_app
      ->add_option("--threads", command.options.threads, "threads of each rank (default 1); never changes the result")
      ->check(CLI::Range(1, 1024));
  run_app
      ->add_option("--ranks-per-cell", command.options.ranks_per_cell,
                   "ranks that share a cell of the grid (default: as many as make all cells run side by side)")
      ->check(CLI::Range(1, 1'000'000));
  run_app->footer(
      "Examples:\n"
      "  shoal run experiments/quickstart.toml --ranks 2\n"
      "  shoal run experiments/quickstart.toml --set planner.cohort=20 --set 'grid.seed=[1, 2]' --out cohort-20.h5\n"
      "  mpirun -n 4 shoal run experiments/quickstart.toml --ranks-per-cell 2");
  CLI::App* list_app = app.add_subcommand("list", "List all parts by kind");
  list_app->footer("Example:\n  shoal list");
  std::string part;
  CLI::App* explain_app = app.add_subcommand("explain", "Explain a part: what it does, its source, its settings");
  explain_app->add_option("PART", part, "name of a part, as 'shoal list' prints it")->required();
  explain_app->footer("Examples:\n  shoal explain fed_prox\n  shoal explain local");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : reject_arguments(app, error, argc, argv);  // 0: --help
  }
  if (*list_app) return guarded("", [] { fmt::print("{}", list_parts()); });
  if (*explain_app) return guarded("", [&] { fmt::print("{}", explain(part)); });
  return run(command, argc, argv);
}
