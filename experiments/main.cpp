// The program `shoal`.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "experiments/explain.hpp"
#include "experiments/export_run.hpp"
#include "experiments/launch.hpp"
#include "experiments/report/report.hpp"
#include "experiments/run_grid.hpp"
#include "experiments/table.hpp"
#include "experiments/verify.hpp"

namespace {

using namespace shoal;  // NOLINT: the program is written in its own namespace's words

constexpr int user_error_code = 2, other_error_code = 1;
constexpr int stopped_code = 75;  // EX_TEMPFAIL: saved, run again with --resume

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
    fmt::print(stderr, "shoal: {}{}\n", prefix, error.what());
    return other_error_code;
  }
}

struct RunCommand {
  std::string file;  // experiment, or run file to verify
  std::vector<std::string> sets;
  RunOptions options;
  int ranks = 0;
  bool verify = false;
};

// What a rank does before it needs the others: everything that can be the user's error.
Run prepare(const RunCommand& command) {
  if (command.verify) return run_from_file(command.file);
  return check_experiment(load_experiment(command.file, command.sets), command.options);
}

// Returns the exit code.
int report(const RunCommand& command, const Run& run, const RunResult& result) {
  if (command.verify) {
    bool equal = false;
    fmt::print("\n{}", compare_with_file(command.file, result, equal));
    std::filesystem::remove(run.out);
    fmt::print("{}\n", equal ? "verified: every hash is the same" : "not verified");
    return equal ? 0 : other_error_code;
  }
  if (result.stopped) {
    fmt::print("\nstopped and saved; go on with: shoal run {} --out {} --resume (and the same --set)\n", command.file,
               run.out);
    return stopped_code;
  }
  fmt::print("\n{}\nrun file   {}\nhash       {}\n", comparison_table(result.cells), run.out, result.hash);
  return 0;
}

// One process per rank. What is wrong with the user's input shows on every rank alike, so the first that sees it
// speaks for all; once the run is under way a failing rank ends the others.
int run_as_rank(const RunCommand& command) {
  MpiSession session(nullptr, nullptr);
  const std::unique_ptr<Communicator> world = session.world();
  std::string problem;
  Run run;
  int code = 0;
  try {
    run = prepare(command);
  } catch (const UserError& error) {
    problem = error.what(), code = user_error_code;
  } catch (const std::exception& error) {
    problem = error.what(), code = other_error_code;
  }
  const auto bytes = std::as_bytes(std::span(problem));
  const std::vector<Bytes> problems = world->gather_all(Bytes(bytes.begin(), bytes.end()));
  const auto first = std::ranges::find_if(problems, [](const Bytes& text) { return !text.empty(); });
  if (first != problems.end()) {
    if (first - problems.begin() == world->rank()) fmt::print(stderr, "shoal: {}\n", problem);
    return code == 0 ? user_error_code : code;
  }

  const std::string prefix = world->size() > 1 ? fmt::format("rank {} of {}: ", world->rank(), world->size()) : "";
  catch_signals();
  int outcome = 0;
  code = guarded(prefix, [&] {
    const RunResult result = run_cells(run, command.options, *world);
    outcome = world->rank() == 0 ? report(command, run, result) : result.stopped ? stopped_code : 0;
  });
  if (code != 0 && world->size() > 1) world->abort(code);
  return code != 0 ? code : outcome;
}

int run(const RunCommand& command, int argc, char** argv) {
  if (command.ranks == 0 || under_launcher()) return run_as_rank(command);
  return guarded("", [&] {
    prepare(command);  // errors show here, once and before any rank starts
    launch_ranks(command.ranks, {argv + 1, argv + argc});
  });
}

struct ExportCommand {
  std::string file, folder;
  std::optional<std::int64_t> cell;
};

void export_files(const ExportCommand& command) {
  const RunContents run = read_run(command.file);
  std::string folder = command.folder;
  if (folder.empty()) folder = std::filesystem::path(command.file).replace_extension().string() + "-export";
  const std::vector<std::string> paths = export_run(run, folder, command.cell);
  for (const std::string& path : paths) fmt::print("{}\n", path);
  for (const CellContents& cell : run.cells) {
    const bool wanted = !command.cell || cell.header.index == *command.cell;
    if (wanted && !cell.result)
      fmt::print(stderr, "shoal: cell {} is unfinished and has no model yet\n", cell.header.index);
  }
}

void write_report(const std::vector<std::string>& files, const std::string& out) {
  check_writable(out);
  std::vector<ReportedRun> runs;
  for (const std::string& file : files) runs.push_back({file, read_run(file)});
  const std::string page = report_page(runs);
  replace_file(out, std::as_bytes(std::span(page)));
  fmt::print("{}\n", out);
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

void add_run_options(CLI::App& app, RunCommand& command) {
  app.add_option("FILE", command.file, "experiment (TOML); see experiments/*.toml for examples")->required();
  app.add_option("--set", command.sets, "KEY=VALUE: change a setting, for example --set strategy.mu=0.1 (repeatable)")
      ->allow_extra_args(false);
  app.add_option("--out", command.options.out, "run file to write (HDF5); default: results/NAME.h5");
  add_rank_options(app, command);
  CLI::Option* resume = app.add_flag("--resume", command.options.resume,
                                     "go on with an interrupted run of the same experiment, or start it");
  app.add_flag("--anew", command.options.anew, "discard an interrupted run")->excludes(resume);
  app.add_option("--checkpoint-every", command.options.limits.checkpoint_every,
                 "seconds between checkpoints (default 60); SIGUSR1 and SIGTERM save and stop")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--time-limit", command.options.limits.stop_after,
                 "save and stop (exit code 75) before this many seconds have passed; 0: never")
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

int main(int argc, char** argv) {
  if (const int code = guarded("", [&] { pin_library_threads(argv); }); code != 0) return code;
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of write(), not a death

  CLI::App app{
      "Shoal compares federated-learning strategies on simulated clients, with the same bits on any number of "
      "ranks.\n\n"
      "  shoal run experiments/quickstart.toml --ranks 2     run an experiment\n"
      "  shoal report results/quickstart.h5 --out page.html  its tables and curves as a page\n"
      "  shoal export results/quickstart.h5                  its models as safetensors, its tables as CSV\n"
      "  shoal list                                          what strategies, planners, data sets ... there are\n"
      "  shoal explain fed_prox                              what a part does and which settings it reads\n"
      "  shoal verify results/quickstart.h5                  run it again and compare the hashes"};
  app.name("shoal");
  app.require_subcommand(1);
  app.set_version_flag("--version", SHOAL_VERSION " (" SHOAL_COMMIT ")");

  RunCommand command;
  CLI::App* run_app = app.add_subcommand("run", "Run an experiment file: every cell of its grid, into one run file");
  add_run_options(*run_app, command);
  CLI::App* verify_app = app.add_subcommand("verify", "Run a run file's cells again and compare the hashes");
  verify_app->add_option("RUN", command.file, "run file (HDF5)")->required();
  add_rank_options(*verify_app, command);
  ExportCommand exported;
  CLI::App* export_app =
      app.add_subcommand("export", "Write a run as files for other programs: models as safetensors, tables as CSV");
  export_app->add_option("RUN.h5", exported.file, "run file; of an interrupted run the journals beside it count too")
      ->required();
  export_app->add_option("--out", exported.folder, "folder to write to; default: RUN-export");
  export_app->add_option("--cell", exported.cell, "only this cell of the grid, counted from 0");
  std::vector<std::string> reported;
  std::string page;
  CLI::App* report_app =
      app.add_subcommand("report", "Write runs as one HTML page: tables, curves, configurations, provenance");
  report_app->add_option("RUN.h5", reported, "run files; of an interrupted run the journals beside it count too")
      ->required();
  report_app->add_option("--out", page, "page to write (HTML)")->required();
  CLI::App* list_app = app.add_subcommand("list", "List all parts by kind");
  std::string part;
  CLI::App* explain_app = app.add_subcommand("explain", "Explain a part: what it does, its source, its settings");
  explain_app->add_option("PART", part, "name of a part, as 'shoal list' prints it")->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : user_error_code;
  }
  if (*list_app) return guarded("", [] { fmt::print("{}", list_parts()); });
  if (*explain_app) return guarded("", [&] { fmt::print("{}", explain(part)); });
  if (*export_app) return guarded("", [&] { export_files(exported); });
  if (*report_app) return guarded("", [&] { write_report(reported, page); });
  command.verify = verify_app->parsed();
  return run(command, argc, argv);
}
