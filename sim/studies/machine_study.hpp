#pragma once
// A study of an agent that learns to operate a machine: rewards for outcomes alone, or for outcomes and steps?

#include "sim/agents/environment.hpp"
#include "sim/agents/judge.hpp"
#include "sim/agents/objective.hpp"
#include "sim/studies/study.hpp"

namespace shoal {

/// The policy is a table: a softmax over actions for each observation. An update takes `tasks` tasks with `rollouts`
/// rollouts each, and does `steps` optimizer steps on equal parts of them, so that importance ratios and their bounds
/// matter from the second on. Each step of a rollout is one sample. Outcomes: success, the share of 64 new episodes
/// that succeed, after 0, 1/10, ... of the updates; first_success, the updates until half of them do (all updates + 1
/// if they never do).
class MachineStudy final : public Study {
 public:
  MachineStudy(const Settings& settings, std::unique_ptr<Environment> machine, std::unique_ptr<Objective> objective,
               std::unique_ptr<Judge> judge);

  std::vector<std::pair<std::string, std::int64_t>> outcomes() const override;
  std::vector<double> run(std::uint64_t seed, std::int64_t replicate) const override;
  std::string metric_name() const override { return "failures"; }
  std::string metric_unit() const override { return "share of failed episodes"; }
  /// The share of episodes that fail at the end.
  double metric(const double* outcomes) const override;

 private:
  class Replicate;

  std::unique_ptr<Environment> machine_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Judge> judge_;
  bool integrated_;
  double process_weight_, rate_;
  std::int64_t updates_, tasks_, rollouts_, steps_, votes_;
};

}  // namespace shoal
