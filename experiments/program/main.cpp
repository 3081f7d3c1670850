// The program `shoal`: its command line.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <optional>

#include "datasets/traces/convert.hpp"
#include "datasets/traces/trace_file.hpp"
#include "experiments/program/calibrate.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/explain.hpp"
#include "experiments/program/export.hpp"
#include "experiments/program/launch.hpp"
#include "experiments/program/pin_threads.hpp"
#include "experiments/program/plan/plan.hpp"
#include "experiments/program/pretrain.hpp"
#include "experiments/program/run/run_command.hpp"
#include "experiments/report/report.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/run_file.hpp"

namespace {

using namespace shoal;  // NOLINT: the program is written in its own namespace's words

void plan(const RunCommand& command) {
  const Settings experiment = load_experiment(command.file, command.sets);
  const PlanOptions options{.ranks = std::max(1, command.ranks)};
  fmt::print("{}", plan_text(plan_experiment(experiment, options), options));
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

void convert_trace(const std::string& layout, const std::string& in, const std::string& out) {
  if (layout != "fedscale" && layout != "flash") {
    user_error("there is no layout of traces called '{}'. Take fedscale or flash?", layout);
  }
  check_writable(out);
  const Trace trace = layout == "flash" ? convert_flash(in) : convert_fedscale(in);
  write_trace(trace, out);
  fmt::print("{}: {} devices, {} intervals of availability\n", out, trace.devices(), trace.intervals.size());
}

struct CalibrateCommand {
  CalibrateOptions options;
  std::string blocks, out;
};

void calibrate_machine(const CalibrateCommand& command) {
  BlockTable table = command.blocks.empty() ? BlockTable::built_in() : BlockTable::load(command.blocks);
  if (!command.out.empty()) check_writable(command.out);
  const std::vector<CalibratedCase> cases = calibrate(command.options);
  fmt::print("{}", calibration_text(cases, product_rate()));
  if (command.out.empty()) {
    fmt::print("\nto keep it: --out blocks.toml, and 'shoal run --blocks blocks.toml'\n");
    return;
  }
  for (const CalibratedCase& one : cases) table.put({one.of, one.best});
  const std::string text = table.toml();
  replace_file(command.out, std::as_bytes(std::span(text)));
  fmt::print("\n{}\n", command.out);
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

void add_table_option(CLI::App& app, std::string& blocks) {
  app.add_option("--blocks", blocks,
                 "table of block sizes (TOML), as 'shoal calibrate' writes it, where [local] leaves 'block' or 'form' "
                 "open (default: the built-in one)");
}

void add_experiment_options(CLI::App& app, RunCommand& command) {
  app.add_option("FILE", command.file, "experiment (TOML); see experiments/*.toml for examples")->required();
  app.add_option("--set", command.sets, "change a setting, for example --set strategy.mu=0.1 (repeatable)")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
}

void add_run_options(CLI::App& app, RunCommand& command) {
  add_experiment_options(app, command);
  app.add_option("--out", command.options.out, "run file to write (HDF5); default: results/NAME.h5");
  add_rank_options(app, command);
  add_table_option(app, command.options.blocks);
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

void add_pretrain_options(CLI::App& app, PretrainCommand& command) {
  Pretraining& options = command.options;
  app.add_option("--out", command.out, "file to write (safetensors)");
  app.add_option("--measure", command.measured, "evaluate the weights of this file instead of training");
  app.add_option("--seed", options.seed,
                 fmt::format("seed of the initial weights and the lessons (default {})", options.seed));
  app.add_option("--steps", options.steps, fmt::format("steps of Adam (default {})", options.steps))
      ->check(CLI::Range(0, 10'000'000));
  app.add_option("--batch", options.batch, fmt::format("lessons per step (default {})", options.batch))
      ->check(CLI::Range(1, 100'000));
  app.add_option("--rate", options.rate, fmt::format("peak learning rate (default {})", options.rate))
      ->check(CLI::PositiveNumber);
  TransformerShape& shape = command.shape;
  app.add_option("--width", shape.width, fmt::format("width of the residual stream (default {})", shape.width))
      ->check(CLI::Range(1, 4096));
  app.add_option("--layers", shape.layers, fmt::format("layers (default {})", shape.layers))->check(CLI::Range(1, 64));
  app.add_option("--heads", shape.heads,
                 fmt::format("attention heads; must divide the width (default {})", shape.heads))
      ->check(CLI::Range(1, 64));
}

// Subcommands set `command`, which is then run; what they read lives as long as main.
struct Commands {
  RunCommand run;
  ExportCommand exported;
  CalibrateCommand calibrated;
  PretrainCommand pretrained;
  std::vector<std::string> reported;
  std::string page, part;
  std::string trace_layout, trace_in, trace_out;
};

void add_subcommands(CLI::App& app, Commands& on, std::function<int()>& chosen,
                     const std::vector<std::string>& arguments) {
  const auto add = [&](const char* name, const char* about, const char* examples, std::function<int()> does) {
    CLI::App* sub = app.add_subcommand(name, about);
    sub->footer(std::string("Examples:\n") + examples);
    sub->callback([&chosen, does] { chosen = does; });
    return sub;
  };
  const auto simple = [](auto body) { return [body] { return guarded("", body); }; };

  add_run_options(
      *add("run", "Run an experiment file: every cell of its grid, into one run file",
           "  shoal run experiments/quickstart.toml --ranks 2\n"
           "  shoal run experiments/quickstart.toml --set planner.cohort=20 --set 'grid.seed=[1, 2]' --out c20.h5\n"
           "  mpirun -n 4 shoal run experiments/quickstart.toml --ranks-per-cell 2\n"
           "  shoal run experiments/quickstart.toml --time-limit 3600 --resume",
           [&] { return run(on.run, arguments); }),
      on.run);
  CLI::App* plan_app = add(
      "plan", "Tell what an experiment will cost: clients, work, bytes, memory, time; trains nothing",
      "  shoal plan experiments/quickstart.toml --set planner.cohort=100 --ranks 16", simple([&] { plan(on.run); }));
  add_experiment_options(*plan_app, on.run);
  plan_app->add_option("--ranks", on.run.ranks, "ranks of the run (default 1); none is started")
      ->check(CLI::Range(1, 1'000'000));

  CLI::App* report_app = add("report", "Write runs as one HTML page: tables, curves, configurations, provenance",
                             "  shoal report results/quickstart.h5 --out quickstart.html",
                             simple([&] { write_report(on.reported, on.page); }));
  report_app->add_option("RUN.h5", on.reported, "run files; of an interrupted run the journals beside it count too")
      ->required();
  report_app->add_option("--out", on.page, "page to write (HTML)")->required();
  CLI::App* export_app =
      add("export", "Write a run as files for other programs: models as safetensors, tables as CSV",
          "  shoal export results/quickstart.h5 --out quickstart --cell 0", simple([&] { export_files(on.exported); }));
  export_app->add_option("RUN.h5", on.exported.file, "run file; of an interrupted run the journals beside it count too")
      ->required();
  export_app->add_option("--out", on.exported.folder, "folder to write to; default: RUN-export");
  export_app->add_option("--cell", on.exported.cell, "only this cell of the grid, counted from 0");
  CLI::App* verify_app = add("verify", "Run a run file's cells again and compare the hashes",
                             "  shoal verify results/quickstart.h5 --ranks 3", [&] {
                               on.run.verify = true;
                               return run(on.run, arguments);
                             });
  verify_app->add_option("RUN.h5", on.run.file, "run file")->required();
  add_rank_options(*verify_app, on.run);

  CLI::App* trace_app =
      add("trace", "Convert a recording of clients' availability to a trace file",
          "  shoal trace fedscale behaviour.json trace.h5\n  shoal trace flash state_traces.json trace.h5\n"
          "  then, in an experiment: population.availability = {name = \"trace\", file = \"trace.h5\"}",
          simple([&] { convert_trace(on.trace_layout, on.trace_in, on.trace_out); }));
  trace_app->add_option("LAYOUT", on.trace_layout, "fedscale or flash")->required();
  trace_app->add_option("IN.json", on.trace_in, "recording, as JSON")->required();
  trace_app->add_option("OUT.h5", on.trace_out, "trace file to write")->required();

  CLI::App* calibrate_app = add("calibrate", "Measure how many clients should train together on this machine, and how",
                                "  shoal calibrate --models mlp logistic_regression\n"
                                "  shoal calibrate --out blocks.toml && shoal run experiment.toml --blocks blocks.toml",
                                simple([&] { calibrate_machine(on.calibrated); }));
  add_table_option(*calibrate_app, on.calibrated.blocks);
  calibrate_app->add_option("--models", on.calibrated.options.models, "models to measure (default: all)");
  calibrate_app->add_option("--clients", on.calibrated.options.clients, "block sizes to try (default 1 to 128)")
      ->check(CLI::Range(1, 4096));
  calibrate_app->add_option("--batches", on.calibrated.options.batches, "batch sizes (default 10 and 32)")
      ->check(CLI::Range(1, 100'000));
  calibrate_app->add_option("--seconds", on.calibrated.options.seconds, "time for each size and form (default 0.2)")
      ->check(CLI::PositiveNumber);
  calibrate_app->add_option("--out", on.calibrated.out,
                            "table to write (TOML): that of --blocks with the measured rows replaced");

  add_pretrain_options(
      *add("pretrain", "Pretrain a transformer on the agents' small language, so that it follows rules in its context",
           "  shoal pretrain --out talk.safetensors\n"
           "  shoal pretrain --width 128 --layers 3 --out larger.safetensors\n"
           "  shoal pretrain --measure talk.safetensors\n"
           "  then, in an experiment: policy = {name = \"transformer\", weights = \"talk.safetensors\"}",
           simple([&] { pretrain_transformer(on.pretrained); })),
      on.pretrained);

  add("list", "List all parts by kind", "  shoal list", simple([] { fmt::print("{}", list_parts()); }));
  add("explain", "Explain a part: what it does, its source, its settings",
      "  shoal explain fed_prox\n  shoal explain local", simple([&] { fmt::print("{}", explain(on.part)); }))
      ->add_option("PART", on.part, "name of a part, as 'shoal list' prints it")
      ->required();
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
      "  shoal plan experiments/quickstart.toml              what it will cost, without training\n"
      "  shoal report results/quickstart.h5 --out page.html  its tables and curves as a page\n"
      "  shoal export results/quickstart.h5                  its models as safetensors, its tables as CSV\n"
      "  shoal verify results/quickstart.h5                  run it again and compare the hashes\n"
      "  shoal calibrate                                     how many clients should train together here\n"
      "  shoal pretrain --out talk.safetensors               a language model as policy, for experiments with agents\n"
      "  shoal list                                          what strategies, planners, data sets ... there are\n"
      "  shoal explain fed_prox                              what a part does and which settings it reads"};
  app.name("shoal");
  app.require_subcommand(1);
  app.set_version_flag("--version", SHOAL_VERSION " (" SHOAL_COMMIT ")");
  Commands commands;
  std::function<int()> chosen;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  add_subcommands(app, commands, chosen, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : reject_arguments(app, error, argc, argv);  // 0: --help
  }
  return chosen();
}
