#pragma once
// The rule world as a task: each client is one replicate, what it sends is its outcome, and the mean over clients,
// which FedAvg computes in one round, is the study's result.

#include "sim/agents/rule_study.hpp"
#include "sim/task/task.hpp"

namespace shoal {

class RuleTask final : public Task {
 public:
  /// Reads [task]. A client is the same replicate under every setting, so that cells of a grid are paired.
  RuleTask(const Settings& settings, std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge,
           std::uint64_t seed);

  /// sessions [3], censored [3], rule_rate [17], updates_per_session [1].
  const ParameterLayout& layout() const override { return layout_; }
  std::int64_t clients() const override { return replicates_; }
  at::Tensor initial_parameters(RandomKey key) const override;
  ClientWork work(ClientId client) const override;
  std::unique_ptr<Trainer> trainer() const override;
  /// One: the mean number of sessions as its loss.
  std::int64_t chunks(Split split) const override { return split == Split::test ? 1 : 0; }

  RuleStudyOutcome run(ClientId client) const {
    return run_rule_study(settings_, *objective_, *judge_, seed_, value(client));
  }

 private:
  std::int64_t replicates_;
  RuleStudySettings settings_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Judge> judge_;
  std::uint64_t seed_;
  ParameterLayout layout_;
};

}  // namespace shoal
