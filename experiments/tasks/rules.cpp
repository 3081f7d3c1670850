// Three users with hidden rules talk to a policy that learns from them: a study of independent replicates.

#include "sim/studies/rule_study.hpp"

#include "experiments/tasks/shared/studies.hpp"

namespace shoal::tasks {
namespace {

class RulesKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place&) const override {
    const Settings task = root.section("task");
    auto objective = make_part<Objective>("objective", "binary_rl", root.section("objective"));
    auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
    auto study = std::make_unique<RuleStudy>(task, std::move(objective), std::move(judge));
    return study_process(root, std::move(study));
  }
};

}  // namespace

std::unique_ptr<TaskKind> rules(Settings&) { return std::make_unique<RulesKind>(); }

}  // namespace shoal::tasks
