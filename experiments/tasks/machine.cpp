// An agent learns to operate a machine, rewarded for outcomes or for steps too; each client is one independent
// replicate.

#include "sim/agents/machine_study.hpp"

#include "experiments/tasks/shared/federated.hpp"
#include "sim/agents/study_task.hpp"

namespace shoal::tasks {
namespace {

class MachineKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place& place) const override {
    const Settings task = root.section("task");
    auto objective = make_part<Objective>("objective", "grpo", root.section("objective"));
    auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
    auto study = std::make_unique<MachineStudy>(
        task, make_part<Environment>("environment", "terminal", root.section("environment")), std::move(objective),
        std::move(judge));
    return federated(root, place, {.task = std::make_shared<StudyTask>(task, std::move(study), read_seed(root))});
  }
};

}  // namespace

std::unique_ptr<TaskKind> machine(Settings&) { return std::make_unique<MachineKind>(); }

}  // namespace shoal::tasks
