// A plan as JSON: one object for each kind of cells.

#include "experiments/program/plan/plan.hpp"

namespace shoal {
namespace {

Json clients_json(const CellPlan& kind) {
  const ClientsPlan& clients = kind.clients;
  return {{"clients", clients.clients},
          {"sampled", clients.sampled},
          {"without_examples", clients.empty},
          {"with_too_little_memory", clients.small},
          {"examples_least", clients.examples.front()},
          {"examples_median", clients.examples[(clients.examples.size() - 1) / 2]},
          {"examples_most", clients.examples.back()},
          {"examples_of_label", clients.of_label}};
}

// Sums over all rounds of a cell.
Json rounds_json(const CellPlan& kind) {
  const RoundsPlan& rounds = kind.rounds;
  const auto all = [&](double sum) { return json_real(rounds.to_all_rounds(sum)); };
  return {{"rounds", rounds.rounds},
          {"rounds_planned", rounds.planned},
          {"ends_at_target", kind.is_upper_bound},
          {"started", all(rounds.started)},
          {"committed", all(rounds.committed)},
          {"dropouts", all(rounds.dropouts)},
          {"abandoned", all(rounds.abandoned)},
          {"flops", all(rounds.flops)},
          {"message_bytes", rounds.message_bytes},
          {"update_bytes", rounds.update_bytes},
          {"bytes_down", all(rounds.bytes_down)},
          {"bytes_up", all(rounds.bytes_up)},
          {"virtual_seconds", all(seconds(rounds.time))},
          {"live_versions", rounds.live_versions}};
}

Json memory_json(const MemoryPlan& memory) {
  return {{"total", memory.total()},     {"program", memory.program}, {"data", memory.data},
          {"training", memory.training}, {"sums", memory.sums},       {"versions", memory.versions},
          {"clients", memory.clients}};
}

Json kind_json(const CellPlan& kind) {
  Json json{{"label", kind.label},
            {"seeds", kind.seeds},
            {"cell_seconds", json_real(kind.cell_seconds)},
            {"notes", kind.notes}};
  if (!kind.is_federation) return json;
  json["parameters"] = kind.parameters;
  json["tested_examples"] = kind.tested_examples;
  json["clients"] = clients_json(kind);
  json["rounds"] = rounds_json(kind);
  json["rank_bytes"] = memory_json(kind.memory);
  return json;
}

}  // namespace

Json plan_json(std::span<const CellPlan> kinds, const PlanOptions& options) {
  Json list = Json::array();
  for (const CellPlan& kind : kinds) list.push_back(kind_json(kind));
  return {{"ranks", options.ranks}, {"wall_seconds", json_real(wall_seconds(kinds, options))}, {"kinds", list}};
}

}  // namespace shoal
