// Users talk to an agent that learns while it serves them, on the virtual clock: a study of independent replicates.
// [pipeline] holds the settings of its components.

#include "sim/studies/talk_study.hpp"

#include "experiments/tasks/shared/policy.hpp"
#include "experiments/tasks/shared/studies.hpp"

namespace shoal::tasks {
namespace {

class TalkKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place&) const override {
    const Settings task = root.section("task");
    auto objective = make_part<Objective>("objective", "binary_rl", root.section("objective"));
    auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
    auto policy = make_policy(root.section("policy"));
    auto study = std::make_unique<TalkStudy>(task, root.section("pipeline"), std::move(policy), std::move(objective),
                                             std::move(judge));
    return study_process(root, std::move(study));
  }
};

}  // namespace

std::unique_ptr<TaskKind> talk(Settings&) { return std::make_unique<TalkKind>(); }

}  // namespace shoal::tasks
