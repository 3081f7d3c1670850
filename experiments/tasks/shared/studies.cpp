#include "experiments/tasks/shared/studies.hpp"

#include "experiments/tasks/shared/federated.hpp"
#include "sim/studies/study_process.hpp"

namespace shoal {

std::unique_ptr<Process> study_process(const Settings& root, std::unique_ptr<Study> study) {
  for (const char* key : {"local", "strategy", "planner", "stages", "codec", "aggregator", "rules", "attack",
                          "topology", "peer", "population", "partition", "data", "model", "evaluate", "rounds"}) {
    if (!root.has(key)) continue;
    user_error("{}: '{}' has no effect (the task '{}' is a study, in which no federation trains). Leave it out.",
               root.where(), key, root.section("task").text("name", "", "which task"));
  }
  const std::int64_t replicates =
      root.section("task").integer("replicates", 1000, "independent repetitions of the study", at_least(1));
  return std::make_unique<StudyProcess>(std::move(study), replicates, read_seed(root));
}

}  // namespace shoal
