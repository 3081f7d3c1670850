#pragma once
// From a task to the process that trains it in a federation: all sections of an experiment but those of the task
// itself.

#include <optional>

#include "experiments/tasks/task_kind.hpp"

namespace shoal {

/// `seed` of an experiment.
std::uint64_t read_seed(const Settings& root);

/// A task, and what is special about training it.
struct FederatedTask {
  std::shared_ptr<const Task> task;
  std::string data_digest{};           // digest of the data's contents, or of a policy's weights; may be empty
  std::optional<std::string> model{};  // name in the table of blocks; without it clients train one by one
  bool steps_take_all = false;         // a step is not cut into batches, so [local] must not set a batch
};

/// Composes the parts that `root` names around the task and checks that they fit together: a federation or, where it
/// has a [topology], nodes without a server. UserError.
std::unique_ptr<Process> federated(const Settings& root, const Place& place, FederatedTask learned);

}  // namespace shoal
