// Three users with hidden rules talk to a policy that learns from them; each client is one independent
// replicate.

#include "sim/agents/rule_study.hpp"

#include "experiments/tasks/shared/federated.hpp"
#include "sim/agents/study_task.hpp"

namespace shoal::tasks {
namespace {

class RuleWorldKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place& place) const override {
    const Settings task = root.section("task");
    auto objective = make_part<Objective>("objective", "binary_rl", root.section("objective"));
    auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
    auto study = std::make_unique<RuleStudy>(task, std::move(objective), std::move(judge));
    return federated(root, place, {.task = std::make_shared<StudyTask>(task, std::move(study), read_seed(root))});
  }
};

}  // namespace

std::unique_ptr<TaskKind> rule_world(Settings&) { return std::make_unique<RuleWorldKind>(); }

}  // namespace shoal::tasks
