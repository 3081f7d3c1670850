#include "experiments/program/plan/plan.hpp"

#include "experiments/program/run/experiment.hpp"

#include <algorithm>
#include <set>

#include "sim/round/federated_process.hpp"

namespace shoal {
namespace {

MemoryPlan memory_of(const Federation& parts, const CellPlan& cell, std::int64_t program, std::int64_t ranks) {
  MemoryPlan memory{.program = program, .data = parts.task->data_bytes(), .training = cell.measured.training_bytes};
  FederationState state(parts, 1, 0);
  for (std::int32_t g = 0; g < parts.groups(); ++g) {
    for (const Wire& wire : state.client_side.wires(g)) memory.sums += 8 * wire.channel.size;
  }
  for (const auto& [name, section] : state.sections) {
    for (const auto& [tensor_name, tensor] : section.tensors()) memory.versions += tensor.nbytes();
  }
  memory.versions += cell.rounds.live_versions * cell.rounds.message_bytes;
  for (const MemorySlot& slot : state.memory.slots()) {
    const std::int64_t value_bytes = c10::elementSize(slot.type);
    memory.clients += slot.size * value_bytes * parts.task->clients() / ranks;
  }
  return memory;
}

void plan_federation(CellPlan& plan, const Process& process, const PlanOptions& options, double share) {
  const Federation& parts = *process.federation();
  const Schedule& schedule = process.schedule();
  const std::string& evaluated = schedule.evaluate_on;
  plan.parameters = parts.task->layout().size;
  plan.tested_examples = parts.task->evaluated_examples(evaluated);
  plan.is_upper_bound = schedule.stop_at_target;
  plan.clients = look_at_clients(*parts.task, parts.seed, parts.population.get());
  plan.rounds = plan_rounds(parts, schedule.rounds, share * options.planning_seconds);
  if (!plan.rounds.first.empty()) {
    const auto* federated = dynamic_cast<const FederatedProcess*>(&process);
    plan.measured = measure(parts, plan.rounds, evaluated, share * options.measuring_seconds,
                            federated != nullptr ? federated->settings().personal_clients : 0);
  }
}

// `ranks` ranks work on the cell; `share` is the share of the options' time limits that its kind may use.
CellPlan plan_kind(const Cell& cell, const Process& process, const PlanOptions& options, std::int64_t program,
                   std::int64_t ranks, double share) {
  CellPlan plan{.seeds = {cell.seed}, .label = cell.label, .notes = process.notes()};
  plan.is_federation = process.federation() != nullptr;
  if (plan.is_federation) {
    plan_federation(plan, process, options, share);
    plan.memory = memory_of(*process.federation(), plan, program, ranks);
    plan.cell_seconds = plan.measured.run_seconds(process, plan.rounds, ranks);
  } else {
    plan.cell_seconds = process.measure(share * options.measuring_seconds) / ranks;
  }
  return plan;
}

}  // namespace

std::vector<CellPlan> plan_experiment(const Settings& experiment, const PlanOptions& options) {
  const std::int64_t program = resident_bytes();
  const std::vector<Cell> cells = expand_grid(experiment);
  const RankGroups groups = rank_groups(options.ranks, std::ssize(cells));
  std::set<std::string> labels;
  for (const Cell& cell : cells) labels.insert(cell.label);
  const double share = std::min(1.0, 4.0 / labels.size());
  std::vector<CellPlan> kinds;
  Datasets datasets;
  for (const Cell& cell : cells) {
    const std::unique_ptr<Process> process = compose(cell.settings, datasets);
    const auto known = std::ranges::find(kinds, cell.label, &CellPlan::label);
    if (known != kinds.end()) {
      known->seeds.push_back(cell.seed);
      continue;
    }
    kinds.push_back(plan_kind(cell, *process, options, program, groups.ranks_per_cell, share));
  }
  // This process takes memory for code and buffers once, with the first kind that needs it; a run needs it for any.
  std::int64_t training = 0;
  for (const CellPlan& kind : kinds) training = std::max(training, kind.memory.training);
  for (CellPlan& kind : kinds) kind.memory.training = training;
  return kinds;
}

}  // namespace shoal
