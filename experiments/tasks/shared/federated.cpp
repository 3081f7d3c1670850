#include "experiments/tasks/shared/federated.hpp"

#include <fmt/ranges.h>

#include "experiments/tasks/shared/memory.hpp"
#include "experiments/tasks/shared/population.hpp"
#include "sim/gossip/gossip_process.hpp"
#include "sim/round/federated_process.hpp"
#include "sim/round/next_available.hpp"
#include "sim/settings/without_effect.hpp"

namespace shoal {
namespace {

std::shared_ptr<const LocalTraining> local_training(const Settings& root, const FederatedTask& learned,
                                                    const ChooseBlock& choose) {
  const Settings section = root.section("local");
  auto local = std::make_shared<LocalTraining>(section);
  if (learned.steps_take_all) local->take_all(section);
  if (!local->leaves_block_open() || !learned.model) return local;
  const ParameterLayout& layout = learned.task->layout();
  local->choose(choose({.model = *learned.model,
                        .parameters = layout.size,
                        .batch = local->at(1).batch,
                        .device = layout.device.is_cuda() ? "cuda" : "cpu"}));
  return local;
}

SumSettings read_sums(const Settings& aggregator) {
  SumSettings sums;
  // Far beyond these limits, no power of two is a unit that values could be counted in.
  sums.bound = aggregator.number(
      "bound", 256, "largest magnitude of a value in an update; clients beyond it are rejected", between(1e-30, 1e30));
  sums.weighting = aggregator.choice(
      "weights", std::optional<Weighting>(),
      {{"strategy", std::nullopt}, {"examples", Weighting::examples}, {"uniform", Weighting::uniform}},
      "weights of the clients; 'strategy': those of the strategy's paper");
  return sums;
}

Schedule read_schedule(const Settings& root) {
  Schedule schedule;
  schedule.rounds = root.integer("rounds", 100, "server rounds", at_least(1));
  const Settings evaluate = root.section("evaluate");
  schedule.evaluate_every = evaluate.integer("every", 10, "rounds between evaluations", at_least(1));
  schedule.evaluate_on = evaluate.text(
      "on", "test", "set of examples to evaluate on: \"test\", \"validation\", \"train\" or another of the task's");
  schedule.target = evaluate.number("target", 0, "accuracy whose first round is reported; 0: none", between(0, 1));
  schedule.stop_at_target = evaluate.flag("stop_at_target", false, "end the run when the target is reached");
  return schedule;
}

// Read after the parts, on which the default depends.
std::int64_t read_personal(const Settings& evaluate, const Federation& parts, const Schedule& schedule) {
  const bool possible = parts.task->clients_have(schedule.evaluate_on);
  const bool wanted =
      evaluate.flag("personal", parts.strategy->is_personal() && possible,
                    "evaluate the models that clients use on examples of their own; the default is true if "
                    "the strategy has such models and [data] holds out such examples");
  const std::int64_t most =
      evaluate.integer("personal_clients", 1000, "clients whose models are evaluated", at_least(1));
  if (wanted && !possible) {
    user_error(
        "{}: clients have no examples of their own to evaluate on. Hold some out in [data], with 'test' or "
        "'validation' as in 'on'.",
        evaluate.where());
  }
  return wanted ? most : 0;
}

void refuse_ignored_settings(const Settings& root, const Federation& parts, const FederatedSettings& settings) {
  if (!parts.strategy->takes_local_steps()) {
    refuse_without_effect(
        root.section("local"),
        {"epochs", "steps", "batch", "rate", "momentum", "nesterov", "weight_decay", "schedule", "decay", "period"},
        fmt::format("the clients of '{}' send a gradient and take no steps", parts.strategy->name()));
  }
  if (!parts.aggregator->gives_means()) {
    refuse_without_effect(root.section("aggregator"), {"weights"},
                          fmt::format("'{}' gives no weighted mean", parts.aggregator->name()));
  }
  const Settings evaluate = root.section("evaluate");
  if (settings.schedule.target == 0) refuse_without_effect(evaluate, {"stop_at_target"}, "there is no 'target'");
  if (settings.personal_clients == 0) {
    refuse_without_effect(evaluate, {"personal_clients"}, "models of clients are not evaluated: 'personal' is false");
  }
}

// The members that a Federation and a Gossip share.
template <class Parts>
Parts begin_parts(const Settings& root, const FederatedTask& learned, const ChooseBlock& choose) {
  Parts parts;
  parts.seed = read_seed(root);
  parts.task = learned.task;
  parts.population =
      std::make_shared<Population>(make_population(root.section("population"), parts.seed, parts.task->clients()));
  parts.local = local_training(root, learned, choose);
  return parts;
}

Federation read_federation(const Settings& root, const FederatedTask& learned, const ChooseBlock& choose) {
  auto parts = begin_parts<Federation>(root, learned, choose);
  parts.planner = make_part<Planner>("planner", "uniform", root.section("planner"));
  parts.strategy = make_part<Strategy>("strategy", "fed_avg", root.section("strategy"));
  for (const Settings& stage : root.sections("stages")) {
    parts.stages.push_back(make_part<Stage>("stage", "clip", stage));
  }
  for (const Settings& codec : root.sections("codec")) {
    parts.codecs.push_back(make_part<Codec>("codec", "plain", codec));
  }
  if (parts.codecs.empty()) parts.codecs.push_back(make_part<Codec>("codec", "plain", root.section("codec")));
  for (const Settings& rule : root.sections("rules")) parts.rules.push_back(make_part<Rule>("rule", "krum", rule));
  if (root.has("attack")) parts.attack = make_part<Attack>("attack", "sign_flip", root.section("attack"));
  const Settings aggregator = root.section("aggregator");
  const char* usual = parts.wants_rows() ? "kept_rows" : "exact_sum";
  parts.aggregator = make_part<Aggregator>("aggregator", usual, aggregator);
  parts.sums = read_sums(aggregator);
  return parts;
}

Gossip read_gossip(const Settings& root, const FederatedTask& learned, const ChooseBlock& choose) {
  for (const char* key : {"strategy", "planner", "stages", "codec", "aggregator", "rules", "attack"}) {
    if (!root.has(key)) continue;
    user_error(
        "{}: '{}' beside 'topology' (nodes without a server have none). Remove one of them; 'peer' names what nodes "
        "do.",
        root.where(), key);
  }
  auto parts = begin_parts<Gossip>(root, learned, choose);
  parts.topology = make_part<Topology>("topology", "ring", root.section("topology"));
  parts.peer = make_part<PeerStrategy>("peer strategy", "d_psgd", root.section("peer"));
  return parts;
}

// `parts`: a Federation or a Gossip.
template <class Parts>
void check(const Parts& parts, const Schedule& schedule, const Settings& root) {
  parts.check();
  next_available(*parts.task, *parts.population, Ticks{});  // throws if no client is ever available
  if (parts.task->chunks(schedule.evaluate_on) > 0) return;
  user_error(
      "{}: the task has no examples in the set \"{}\" that [evaluate] names (it has {}). Change 'on', or hold "
      "some out in [data].",
      root.where(), schedule.evaluate_on, fmt::join(parts.task->sets(), ", "));
}

std::unique_ptr<Process> decentralized(const Settings& root, const Place& place, const FederatedTask& learned) {
  GossipSettings settings{.schedule = read_schedule(root), .data_digest = learned.data_digest};
  Gossip parts = read_gossip(root, learned, place.choose_block);
  root.finish();
  check(parts, settings.schedule, root);
  return std::make_unique<GossipProcess>(std::move(parts), std::move(settings));
}

}  // namespace

std::uint64_t read_seed(const Settings& root) {
  const std::int64_t seed =
      root.integer("seed", 1, "seed of everything that is drawn: partition, parameters, cohorts, batches", at_least(0));
  return static_cast<std::uint64_t>(seed);
}

std::unique_ptr<Process> federated(const Settings& root, const Place& place, FederatedTask learned) {
  const char* described_in = learned.steps_take_all ? "policy" : "task";
  if (learned.model) described_in = "model";
  if (!place.device.is_cuda()) {
    require_memory(learned.task->layout(), root.section(described_in), available_memory());
  }
  if (root.has("topology")) return decentralized(root, place, learned);
  FederatedSettings settings{.schedule = read_schedule(root), .data_digest = learned.data_digest};
  Federation parts = read_federation(root, learned, place.choose_block);
  settings.personal_clients = read_personal(root.section("evaluate"), parts, settings.schedule);
  root.finish();  // a misspelt key is the likelier cause of what does not fit
  refuse_ignored_settings(root, parts, settings);
  check(parts, settings.schedule, root);
  return std::make_unique<FederatedProcess>(std::move(parts), std::move(settings));
}

}  // namespace shoal
