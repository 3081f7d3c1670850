#include "experiments/experiment.hpp"

#include "experiments/device.hpp"
#include "sim/agents/agents_task.hpp"
#include "sim/agents/machine_study.hpp"
#include "sim/agents/rule_study.hpp"
#include "sim/agents/study_task.hpp"
#include "sim/agents/talk_study.hpp"
#include "sim/round/next_available.hpp"
#include "sim/task/model.hpp"
#include "sim/task/quadratic.hpp"
#include "sim/task/supervised.hpp"

namespace shoal {
namespace {

std::shared_ptr<const Task> make_study(const std::string& name, const Settings& root, std::uint64_t seed,
                                       std::string& data_digest) {
  const Settings task = root.section("task");
  const bool machine = name == "machine";
  auto objective = make_part<Objective>("objective", machine ? "grpo" : "binary_rl", root.section("objective"));
  auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
  std::unique_ptr<Study> study;
  if (machine) {
    auto environment = make_part<Environment>("environment", "terminal", root.section("environment"));
    study = std::make_unique<MachineStudy>(task, std::move(environment), std::move(objective), std::move(judge));
  } else if (name == "talk") {
    auto policy = make_part<Policy>("policy", "linear", root.section("policy"));
    data_digest = policy->digest();
    study = std::make_unique<TalkStudy>(task, root.section("pipeline"), std::move(policy), std::move(objective),
                                        std::move(judge));
  } else {
    study = std::make_unique<RuleStudy>(task, std::move(objective), std::move(judge));
  }
  return std::make_shared<StudyTask>(task, std::move(study), seed);
}

std::shared_ptr<const Task> make_agents(const Settings& root, std::uint64_t seed, std::string& data_digest) {
  auto policy = make_part<Policy>("policy", "linear", root.section("policy"));
  auto objective = make_part<Objective>("objective", "binary_rl", root.section("objective"));
  auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
  data_digest = policy->digest();
  return std::make_shared<AgentsTask>(root.section("task"), std::move(policy), std::move(objective), std::move(judge),
                                      seed);
}

std::shared_ptr<const Task> make_task(const Settings& root, std::uint64_t seed, Datasets& datasets,
                                      std::string& data_digest) {
  const at::Device device = choose_device(root, this_machine());
  const Settings task = root.section("task");
  const std::string name = task.choice(
      "name", "supervised", {"supervised", "quadratic", "rule_world", "machine", "talk", "agents"}, "what is learned");
  if (name == "quadratic") return std::make_shared<Quadratic>(task, seed);  // on the CPU, as studies
  if (name == "rule_world" || name == "machine" || name == "talk") return make_study(name, root, seed, data_digest);
  if (name == "agents") return make_agents(root, seed, data_digest);
  const Settings data = root.section("data");
  const std::shared_ptr<const Dataset> dataset = datasets.load(data);
  data_digest = dataset->digest;
  auto dealt = make_part<Partition>("partition", "iid", root.section("partition"))->deal(dataset->train, seed);
  Network network =
      make_part<Model>("model", "mlp", root.section("model"))->network(dataset->train.shape, dataset->train.classes);
  network.on(device);
  return std::make_shared<SupervisedTask>(dataset, std::move(dealt), std::move(network), HoldoutShares(data), seed);
}

std::shared_ptr<const LocalTraining> local_training(const Settings& root, const Task& task, const ChooseBlock& choose) {
  auto local = std::make_shared<LocalTraining>(root.section("local"));
  if (dynamic_cast<const AgentsTask*>(&task) != nullptr) local->take_all(root.section("local"));
  const Settings model = root.section("model");
  if (local->leaves_block_open() && dynamic_cast<const SupervisedTask*>(&task) != nullptr) {
    local->choose(choose({.model = model.text("name", "mlp", "which model"),
                          .parameters = task.layout().size,
                          .batch = local->at(1).batch,
                          .device = task.layout().device.is_cuda() ? "cuda" : "cpu"}));
  }
  return local;
}

// Outcomes that count requests and tokens are larger than any update of a model.
bool counts_events(const Task& task) {
  const auto* study = dynamic_cast<const StudyTask*>(&task);
  return study != nullptr && dynamic_cast<const TalkStudy*>(&study->study()) != nullptr;
}

SumSettings sum_settings(const Settings& aggregator, const Task& task) {
  SumSettings sums;
  // Far beyond these there is no power of two that values could be counted in.
  sums.bound = aggregator.number("bound", counts_events(task) ? 1e7 : 256,
                                 "largest magnitude of a value in an update; beyond it a client is rejected",
                                 between(1e-30, 1e30));
  const std::string weights = aggregator.choice("weights", "strategy", {"strategy", "examples", "uniform"},
                                                "how clients are weighted; 'strategy': as its paper has it");
  if (weights == "examples") sums.weighting = Weighting::examples;
  if (weights == "uniform") sums.weighting = Weighting::uniform;
  return sums;
}

void read_schedule(const Settings& root, Experiment& experiment) {
  experiment.rounds = root.integer("rounds", 100, "server rounds", at_least(1));
  const Settings evaluate = root.section("evaluate");
  experiment.evaluate_every = evaluate.integer("every", 10, "rounds between evaluations", at_least(1));
  const std::string on = evaluate.choice("on", "test", {"test", "validation", "train"}, "examples to evaluate on");
  experiment.evaluate_on = on == "test" ? Split::test : on == "validation" ? Split::validation : Split::train;
  experiment.target = evaluate.number("target", 0, "accuracy whose first round is reported; 0: none", between(0, 1));
  experiment.stop_at_target = evaluate.flag("stop_at_target", false, "end the run when the target is reached");
}

// After the parts: the default depends on them.
void read_personal(const Settings& evaluate, Experiment& experiment) {
  const Federation& parts = experiment.federation;
  const bool possible = parts.task->clients_have(experiment.evaluate_on);
  const bool wanted = evaluate.flag("personal", parts.strategy->is_personal() && possible,
                                    "evaluate the models that clients use on examples of their own; by default where "
                                    "the strategy has such models and [data] holds out such examples");
  const std::int64_t most =
      evaluate.integer("personal_clients", 1000, "clients whose models are evaluated", at_least(1));
  if (wanted && !possible) {
    user_error(
        "{}: clients have no examples of their own to evaluate on. Hold some out in [data], with 'test' or "
        "'validation' as in 'on'?",
        evaluate.where());
  }
  experiment.personal_clients = wanted ? most : 0;
}

}  // namespace

std::shared_ptr<const Dataset> Datasets::load(const Settings& data) {
  const std::unique_ptr<Source> source = make_part<Source>("data source", "optdigits", data);
  std::shared_ptr<const Dataset>& entry = loaded_[data.canonical()];
  if (!entry) entry = std::make_shared<const Dataset>(source->load());
  return entry;
}

Experiment compose(const Settings& settings, Datasets& datasets, const ChooseBlock& choose) {
  Experiment experiment;
  Federation& parts = experiment.federation;
  settings.text("name", "experiment", "name of the experiment, for tables and pictures");
  parts.seed = static_cast<std::uint64_t>(settings.integer(
      "seed", 1, "seed of everything that is drawn: partition, parameters, cohorts, batches", at_least(0)));
  read_schedule(settings, experiment);

  parts.task = make_task(settings, parts.seed, datasets, experiment.data_digest);
  parts.population = std::make_shared<Population>(settings.section("population"), parts.seed, parts.task->clients());
  parts.local = local_training(settings, *parts.task, choose);
  parts.planner = make_part<Planner>("planner", "uniform", settings.section("planner"));
  parts.strategy = make_part<Strategy>("strategy", "fed_avg", settings.section("strategy"));
  for (const Settings& stage : settings.sections("stages")) {
    parts.stages.push_back(make_part<Stage>("stage", "clip", stage));
  }
  parts.codec = make_part<Codec>("codec", "plain", settings.section("codec"));
  const Settings aggregator = settings.section("aggregator");
  parts.aggregator = make_part<Aggregator>("aggregator", "exact_sum", aggregator);
  parts.sums = sum_settings(aggregator, *parts.task);
  read_personal(settings.section("evaluate"), experiment);
  settings.finish();

  parts.check();
  parts.planner->check(*parts.task, *parts.population);
  next_available(*parts.task, *parts.population, Ticks{});  // somebody must come at all
  if (parts.task->chunks(experiment.evaluate_on) == 0) {
    user_error(
        "{}: there are no examples of the kind that [evaluate] wants. Set 'on' to \"test\", or hold some out in "
        "[data]?",
        settings.where());
  }
  return experiment;
}

}  // namespace shoal
