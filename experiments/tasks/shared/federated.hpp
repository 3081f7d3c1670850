#pragma once
// From a task to a federation that learns it: everything of an experiment but the task itself.

#include <optional>

#include "experiments/tasks/task_kind.hpp"

namespace shoal {

/// `seed` of an experiment.
std::uint64_t read_seed(const Settings& root);

/// A task, and what is special about training it.
struct FederatedTask {
  std::shared_ptr<const Task> task;
  std::string data_digest{};           // of the files or the generator; empty for tasks without data
  std::optional<std::string> model{};  // name in the table of blocks; none: clients train one after the other
  double value_bound = 256;            // of a value in an update, unless [aggregator] says otherwise
  bool steps_take_all = false;         // steps are not cut into batches: [local] may name none
};

/// Composes the parts that `root` names around the task and checks that they fit together. UserError.
std::unique_ptr<Process> federated(const Settings& root, const Place& place, FederatedTask learned);

}  // namespace shoal
