#include "experiments/program/commands.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "datasets/traces/convert.hpp"
#include "datasets/traces/trace_file.hpp"
#include "experiments/program/calibrate.hpp"
#include "experiments/program/check.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/explain.hpp"
#include "experiments/program/export.hpp"
#include "experiments/program/plan/plan.hpp"
#include "experiments/program/pretrain.hpp"
#include "experiments/program/run/run_command.hpp"
#include "experiments/report/report.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

using Action = std::function<int()>;
using Arguments = std::vector<std::string>;

// Options live as long as the action that reads them: parsing fills them after `declare` has returned.
template <class Options>
Action action(std::shared_ptr<Options> options, void (*body)(const Options&)) {
  return [options, body] { return guarded("", [&] { body(*options); }); };
}

CLI::Validator finite_seconds() {
  const auto problem = [](const std::string& text) -> std::string {
    double seconds = 0;
    const bool is_number = CLI::detail::lexical_cast(text, seconds);
    return is_number && std::isfinite(seconds) && seconds >= 0 ? "" : fmt::format("{} is no time in seconds", text);
  };
  return CLI::Validator(problem, "SECONDS");
}

// --- run, verify, plan -----------------------------------------------------------------------------------------------

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

Action declare_run(CLI::App& app, const Arguments& arguments) {
  const auto command = std::make_shared<RunCommand>();
  add_experiment_options(app, *command);
  app.add_option("--out", command->options.out, "run file to write (HDF5); default: results/NAME.h5");
  add_rank_options(app, *command);
  add_table_option(app, command->options.blocks);
  CLI::Option* resume = app.add_flag("--resume", command->options.resume,
                                     "continue an interrupted run of the same experiment, or start it");
  app.add_flag("--anew", command->options.anew, "discard an interrupted run")->excludes(resume);
  app.add_option("--checkpoint-every", command->options.limits.checkpoint_every,
                 "seconds between checkpoints (default 60); SIGUSR1 and SIGTERM save and stop")
      ->check(finite_seconds());
  app.add_option("--time-limit", command->options.limits.stop_after,
                 "save and stop (exit code 75) before this many seconds have passed; 0: never")
      ->check(finite_seconds());
  return [command, arguments] { return run(*command, arguments); };
}

Action declare_verify(CLI::App& app, const Arguments& arguments) {
  const auto command = std::make_shared<RunCommand>();
  command->verify = true;
  app.add_option("RUN.h5", command->file, "run file")->required();
  add_rank_options(app, *command);
  return [command, arguments] { return run(*command, arguments); };
}

Action declare_check(CLI::App& app, const Arguments&) {
  const auto files = std::make_shared<std::vector<std::string>>();
  app.add_option("RUN.h5", *files, "run files")->required();
  return [files] { return check_files(*files); };
}

void plan(const RunCommand& command) {
  const Settings experiment = load_experiment(command.file, command.sets);
  const PlanOptions options{.ranks = std::max(1, command.ranks)};
  fmt::print("{}", plan_text(plan_experiment(experiment, options), options));
}

Action declare_plan(CLI::App& app, const Arguments&) {
  const auto command = std::make_shared<RunCommand>();
  add_experiment_options(app, *command);
  app.add_option("--ranks", command->ranks, "ranks of the run (default 1); none is started")
      ->check(CLI::Range(1, 1'000'000));
  return action(command, plan);
}

// --- report, export --------------------------------------------------------------------------------------------------

struct ReportOptions {
  std::vector<std::string> files;
  std::string out;
};

void write_report(const ReportOptions& options) {
  for (const std::string& file : options.files) {
    std::error_code missing;  // a file that is not there is no other one's name
    if (!std::filesystem::equivalent(file, options.out, missing)) continue;
    user_error("--out {}: is one of the run files. Choose another name for the page.", options.out);
  }
  check_writable(options.out);
  std::vector<ReportedRun> runs;
  for (const std::string& file : options.files) runs.push_back({file, read_run(file)});
  const std::string page = report_page(runs);
  replace_file(options.out, std::as_bytes(std::span(page)));
  fmt::print("{}\n", options.out);
}

Action declare_report(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<ReportOptions>();
  app.add_option("RUN.h5", options->files, "run files; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--out", options->out, "page to write (HTML)")->required();
  return action(options, write_report);
}

struct ExportOptions {
  std::string file, folder;
  std::optional<std::int64_t> cell;
};

void export_files(const ExportOptions& options) {
  const RunContents run = read_run(options.file);
  if (!run.sealed) {
    fmt::print(stderr, "shoal: '{}' has no valid seal: another program has written or changed it\n", options.file);
  }
  std::string folder = options.folder;
  if (folder.empty()) folder = std::filesystem::path(options.file).replace_extension().string() + "-export";
  for (const std::string& path : export_run(run, folder, options.cell)) fmt::print("{}\n", path);
  for (const CellContents& cell : run.cells) {
    const bool wanted = !options.cell || cell.header.index == *options.cell;
    if (wanted && !cell.result)
      fmt::print(stderr, "shoal: cell {} is unfinished and has no model yet\n", cell.header.index);
  }
}

Action declare_export(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<ExportOptions>();
  app.add_option("RUN.h5", options->file, "run file; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--out", options->folder, "folder to write to; default: RUN-export");
  app.add_option("--cell", options->cell, "only this cell of the grid, counted from 0");
  return action(options, export_files);
}

// --- trace, calibrate, pretrain --------------------------------------------------------------------------------------

struct TraceOptions {
  std::string layout, in, out;
};

void convert_trace(const TraceOptions& options) {
  if (options.layout != "fedscale" && options.layout != "flash") {
    user_error("there is no layout of traces called '{}'. Use fedscale or flash.", options.layout);
  }
  check_output(options.out, {"\x89HDF\r\n\x1a\n", "HDF5 file"}, {options.in});
  if (std::filesystem::exists(options.out)) map_trace(options.out);  // the HDF5 file of another is not replaced
  const Trace trace = options.layout == "flash" ? convert_flash(options.in) : convert_fedscale(options.in);
  write_trace(trace, options.out);
  fmt::print("{}: {} devices, {} intervals of availability\n", options.out, trace.devices(), trace.intervals.size());
}

Action declare_trace(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<TraceOptions>();
  app.add_option("LAYOUT", options->layout, "fedscale or flash")->required();
  app.add_option("IN.json", options->in, "recording, as JSON")->required();
  app.add_option("OUT.h5", options->out, "trace file to write")->required();
  return action(options, convert_trace);
}

struct CalibrateCommand {
  CalibrateOptions options;
  std::string blocks, out;
};

void calibrate_machine(const CalibrateCommand& command) {
  BlockTable table = command.blocks.empty() ? BlockTable::built_in() : BlockTable::load(command.blocks);
  if (!command.out.empty())
    check_output(command.out, {table.toml().substr(0, 40), "table of blocks"}, {command.blocks});
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

Action declare_calibrate(CLI::App& app, const Arguments&) {
  const auto command = std::make_shared<CalibrateCommand>();
  CalibrateOptions& options = command->options;
  add_table_option(app, command->blocks);
  app.add_option("--models", options.models, "models to measure (default: all)");
  app.add_option("--clients", options.clients, "block sizes to try (default 1 to 128)")->check(CLI::Range(1, 4096));
  app.add_option("--batches", options.batches, "batch sizes (default 10 and 32)")->check(CLI::Range(1, 100'000));
  app.add_option("--seconds", options.seconds, "time for each size and form (default 0.2)")->check(CLI::PositiveNumber);
  app.add_option("--out", command->out, "table to write (TOML): that of --blocks with the measured rows replaced");
  return action(command, calibrate_machine);
}

Action declare_pretrain(CLI::App& app, const Arguments&) {
  const auto command = std::make_shared<PretrainCommand>();
  Pretraining& options = command->options;
  app.add_option("--out", command->out, "file to write (safetensors)");
  app.add_option("--measure", command->measured, "evaluate the weights of this file instead of training");
  app.add_option("--seed", options.seed,
                 fmt::format("seed of the initial weights and the lessons (default {})", options.seed));
  app.add_option("--steps", options.steps, fmt::format("steps of Adam (default {})", options.steps))
      ->check(CLI::Range(0, 10'000'000));
  app.add_option("--batch", options.batch, fmt::format("lessons per step (default {})", options.batch))
      ->check(CLI::Range(1, 100'000));
  app.add_option("--rate", options.rate, fmt::format("peak learning rate (default {})", options.rate))
      ->check(CLI::PositiveNumber);
  TransformerShape& shape = command->shape;
  app.add_option("--width", shape.width, fmt::format("width of the residual stream (default {})", shape.width))
      ->check(CLI::Range(1, 4096));
  app.add_option("--layers", shape.layers, fmt::format("layers (default {})", shape.layers))->check(CLI::Range(1, 64));
  app.add_option("--heads", shape.heads,
                 fmt::format("attention heads; must divide the width (default {})", shape.heads))
      ->check(CLI::Range(1, 64));
  return action(command, pretrain_transformer);
}

// --- list, explain ---------------------------------------------------------------------------------------------------

Action declare_list(CLI::App& app, const Arguments&) {
  const auto markdown = std::make_shared<bool>(false);
  app.add_flag("--markdown", *markdown, "print a Markdown page with a table for each kind");
  return action<bool>(markdown, [](const bool& page) { fmt::print("{}", page ? parts_page() : list_parts()); });
}

Action declare_explain(CLI::App& app, const Arguments&) {
  const auto part = std::make_shared<std::string>();
  app.add_option("PART", *part, "name of a part, as 'shoal list' prints it")->required();
  return action<std::string>(part, [](const std::string& name) { fmt::print("{}", explain(name)); });
}

// --- the table -------------------------------------------------------------------------------------------------------

constexpr Command table[] = {
    {"run", "Run an experiment file: every cell of its grid, into one run file",
     "  shoal run experiments/quickstart.toml --ranks 2\n"
     "  shoal run experiments/quickstart.toml --set planner.cohort=20 --set 'grid.seed=[1, 2]' --out c20.h5\n"
     "  mpirun -n 4 shoal run experiments/quickstart.toml --ranks-per-cell 2\n"
     "  shoal run experiments/quickstart.toml --time-limit 3600 --resume",
     declare_run},
    {"plan", "Predict what an experiment will cost, without running it: clients, work, bytes, memory, time",
     "  shoal plan experiments/quickstart.toml --set planner.cohort=100 --ranks 16", declare_plan},
    {"report", "Write runs as one HTML page: tables, curves, configurations, provenance",
     "  shoal report results/quickstart.h5 --out quickstart.html", declare_report},
    {"export", "Write a run as files for other programs: models as safetensors, tables as CSV",
     "  shoal export results/quickstart.h5 --out quickstart --cell 0", declare_export},
    {"verify", "Run a run file's cells again and compare the hashes", "  shoal verify results/quickstart.h5 --ranks 3",
     declare_verify},
    {"check", "Compare run files' hashes and totals with their rows and models, without training",
     "  shoal check results/*.h5\n  a hash is no signature: a consistent forgery passes, and fails 'shoal verify'",
     declare_check},
    {"trace", "Convert a recording of clients' availability to a trace file",
     "  shoal trace fedscale behaviour.json trace.h5\n  shoal trace flash state_traces.json trace.h5\n"
     "  then, in an experiment: population.availability = {name = \"trace\", file = \"trace.h5\"}",
     declare_trace},
    {"calibrate", "Measure how many clients should train together on this machine, and how",
     "  shoal calibrate --models mlp logistic_regression\n"
     "  shoal calibrate --out blocks.toml && shoal run experiment.toml --blocks blocks.toml",
     declare_calibrate},
    {"pretrain", "Pretrain a transformer on the agents' small language, so that it follows rules in its context",
     "  shoal pretrain --out talk.safetensors\n"
     "  shoal pretrain --width 128 --layers 3 --out larger.safetensors\n"
     "  shoal pretrain --measure talk.safetensors\n"
     "  then, in an experiment: policy = {name = \"transformer\", weights = \"talk.safetensors\"}",
     declare_pretrain},
    {"list", "List all parts by kind", "  shoal list\n  shoal list --markdown > experiments/parts.md", declare_list},
    {"explain", "Explain a part: what it does, its source, its settings",
     "  shoal explain fed_prox\n  shoal explain local", declare_explain},
};

}  // namespace

std::span<const Command> commands() { return table; }

}  // namespace shoal
