#include "sim/agents/rule_task.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace shoal {
namespace {

constexpr double flops_per_replicate = 1e7;  // about a millisecond

class RuleTrainer final : public Trainer {
 public:
  explicit RuleTrainer(const RuleTask& task) : task_(task) {}

  void open(std::span<const Participation> block, const LocalSettings&) override { block_ = block; }

  LocalResult fit(const at::Tensor& start, const Correction&) override {
    const auto k = static_cast<std::int64_t>(block_.size());
    at::Tensor outcomes = at::empty({k, task_.layout().size});
    LocalResult result{.steps = std::vector<std::int64_t>(block_.size(), 1)};
    float* to = outcomes.mutable_data_ptr<float>();
    const auto write = [&](double x) { *to++ = static_cast<float>(x); };
    for (const Participation& p : block_) {
      const RuleStudyOutcome outcome = task_.run(p.client);
      for (const double x : outcome.sessions) write(x);
      for (const double x : outcome.censored) write(x);
      for (const double x : outcome.rule_rate) write(x);
      write(outcome.updates_per_session);
      result.loss.push_back(outcome.mean_sessions());
    }
    result.delta = Rows(outcomes - start);
    return result;
  }

  LocalResult gradient(const at::Tensor&) override {
    user_error("the task 'rule_world' is a study without a gradient for strategies. Use strategy = \"fed_avg\"?");
  }

  Evaluation evaluate(const at::Tensor& params, const ExampleChunk&) override {
    const float* sessions = params.const_data_ptr<float>();
    const double mean = (sessions[0] + sessions[1] + sessions[2]) / 3.0;
    return {.examples = 1, .correct = -1, .loss = Evaluation::to_units(mean)};
  }

  Evaluation evaluate_own(const at::Tensor&, ClientId, Split) override { return {.correct = -1}; }

 private:
  const RuleTask& task_;
  std::span<const Participation> block_;
};

}  // namespace

RuleTask::RuleTask(const Settings& settings, std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge,
                   std::uint64_t seed)
    : replicates_(settings.integer("replicates", 1000, "independent repetitions: the clients", at_least(1))),
      settings_(settings),
      objective_(std::move(objective)),
      judge_(std::move(judge)),
      seed_(seed) {
  layout_.add("sessions", {rule_world::users});
  layout_.add("censored", {rule_world::users});
  layout_.add("rule_rate", {RuleStudyOutcome::most_updates + 1});
  layout_.add("updates_per_session", {1});
}

at::Tensor RuleTask::initial_parameters(RandomKey) const { return at::zeros({layout_.size}); }

ClientWork RuleTask::work(ClientId) const { return {1, flops_per_replicate}; }

std::unique_ptr<Trainer> RuleTask::trainer() const { return std::make_unique<RuleTrainer>(*this); }

}  // namespace shoal
