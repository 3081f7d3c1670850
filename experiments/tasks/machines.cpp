// An agent learns to operate a machine, rewarded for outcomes or also for steps: a study of independent replicates.

#include "sim/studies/machine_study.hpp"

#include "experiments/tasks/shared/studies.hpp"

namespace shoal::tasks {
namespace {

class MachinesKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place&) const override {
    const Settings task = root.section("task");
    auto objective = make_part<Objective>("objective", "grpo", root.section("objective"));
    auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
    auto study = std::make_unique<MachineStudy>(
        task, make_part<Environment>("environment", "terminal", root.section("environment")), std::move(objective),
        std::move(judge));
    return study_process(root, std::move(study));
  }
};

}  // namespace

std::unique_ptr<TaskKind> machines(Settings&) { return std::make_unique<MachinesKind>(); }

}  // namespace shoal::tasks
