#pragma once
// From a study to its process.

#include "experiments/tasks/task_kind.hpp"
#include "sim/studies/study.hpp"

namespace shoal {

/// Reads `task.replicates` and the seed of the experiment.
std::unique_ptr<Process> study_process(const Settings& root, std::unique_ptr<Study> study);

}  // namespace shoal
