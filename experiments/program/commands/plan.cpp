#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/plan/plan.hpp"

namespace shoal {
namespace {

Answer plan(const RunCommand& command) {
  const Settings experiment = load_experiment(command.file, command.sets);
  const PlanOptions options{.ranks = std::max(1, command.ranks)};
  const std::vector<CellPlan> kinds = plan_experiment(experiment, options);
  return {.text = plan_text(kinds, options), .json = plan_json(kinds, options)};
}

CommandAction declare_plan(CLI::App& app, const Arguments&) {
  const auto command = std::make_shared<RunCommand>();
  add_experiment_options(app, *command);
  app.add_option("--ranks", command->ranks, "ranks of the run (default 1); none is started")
      ->check(CLI::Range(1, 1'000'000));
  return action(app, command, plan);
}

}  // namespace

Command plan_command() {
  return {"plan", "Predict what an experiment will cost, without running it: clients, work, bytes, memory, time",
          "  shoal plan experiments/quickstart.toml --set planner.cohort=100 --ranks 16", declare_plan};
}

}  // namespace shoal
