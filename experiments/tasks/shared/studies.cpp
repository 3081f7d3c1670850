#include "experiments/tasks/shared/studies.hpp"

#include "experiments/tasks/shared/federated.hpp"
#include "sim/studies/study_process.hpp"

namespace shoal {

std::unique_ptr<Process> study_process(const Settings& root, std::unique_ptr<Study> study) {
  const std::int64_t replicates =
      root.section("task").integer("replicates", 1000, "independent repetitions of the study", at_least(1));
  return std::make_unique<StudyProcess>(std::move(study), replicates, read_seed(root));
}

}  // namespace shoal
