#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/calibrate.hpp"
#include "experiments/program/commands/all.hpp"
#include "sim/files/replace_file.hpp"

namespace shoal {
namespace {

struct CalibrateCommand {
  CalibrateOptions options;
  std::string blocks, out;
};

Answer calibrate_machine(const CalibrateCommand& command) {
  BlockTable table = command.blocks.empty() ? BlockTable::built_in() : BlockTable::load(command.blocks);
  if (!command.out.empty()) {
    check_output(command.out, {table.toml().substr(0, 40), "table of blocks"}, {command.blocks});
  }
  const std::vector<CalibratedCase> cases = calibrate(command.options);
  const double bound = product_rate();
  Answer answer{.text = calibration_text(cases, bound), .json = calibration_json(cases, bound)};
  if (command.out.empty()) {
    answer.text += "\nto keep it: --out blocks.toml, and 'shoal run --blocks blocks.toml'\n";
    return answer;
  }
  for (const CalibratedCase& one : cases) table.put({one.of, one.best});
  const std::string text = table.toml();
  replace_file(command.out, std::as_bytes(std::span(text)));
  answer.text += fmt::format("\n{}\n", command.out);
  answer.json["file"] = command.out;
  return answer;
}

CommandAction declare_calibrate(CLI::App& app, const Arguments&) {
  const auto command = std::make_shared<CalibrateCommand>();
  CalibrateOptions& options = command->options;
  add_table_option(app, command->blocks);
  app.add_option("--models", options.models, "models to measure (default: all)");
  app.add_option("--clients", options.clients, "block sizes to try (default 1 to 128)")->check(CLI::Range(1, 4096));
  app.add_option("--batches", options.batches, "batch sizes (default 10 and 32)")->check(CLI::Range(1, 100'000));
  app.add_option("--seconds", options.seconds, "time for each size and form (default 0.2)")
      ->check(finite_number("time in seconds", 1e-6));
  app.add_option("--out", command->out, "table to write (TOML): that of --blocks with the measured rows replaced");
  return action(app, command, calibrate_machine);
}

}  // namespace

Command calibrate_command() {
  return {"calibrate", "Measure how many clients should train together on this machine, and how",
          "  shoal calibrate --models mlp logistic_regression\n"
          "  shoal calibrate --out blocks.toml && shoal run experiment.toml --blocks blocks.toml",
          declare_calibrate};
}

}  // namespace shoal
