#pragma once
// A study as a task: each client is one replicate, what it sends is its outcomes, and the mean over clients, which
// FedAvg computes in one round, is the study's result.

#include <memory>

#include "sim/agents/study.hpp"
#include "sim/settings.hpp"
#include "sim/task/task.hpp"

namespace shoal {

class StudyTask final : public Task {
 public:
  /// Reads `replicates`.
  StudyTask(const Settings& settings, std::unique_ptr<Study> study, std::uint64_t seed);

  /// The outcomes by name.
  const ParameterLayout& layout() const override { return layout_; }
  std::int64_t clients() const override { return replicates_; }
  at::Tensor initial_parameters(RandomKey key) const override;
  ClientWork work(ClientId client) const override;
  std::unique_ptr<Trainer> trainer() const override;
  /// One: the metric of the mean outcomes as its loss.
  std::int64_t chunks(Split split) const override { return split == Split::test ? 1 : 0; }

  const Study& study() const { return *study_; }
  std::uint64_t seed() const { return seed_; }

 private:
  std::int64_t replicates_;
  std::unique_ptr<Study> study_;
  std::uint64_t seed_;
  ParameterLayout layout_;
};

}  // namespace shoal
