// Users talk to an agent that learns while it serves them, on the virtual clock; each client is one independent
// replicate. Its components are in [pipeline].

#include "sim/agents/talk_study.hpp"

#include "experiments/tasks/shared/federated.hpp"
#include "sim/agents/study_task.hpp"

namespace shoal::tasks {
namespace {

class TalkKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place& place) const override {
    const Settings task = root.section("task");
    auto objective = make_part<Objective>("objective", "binary_rl", root.section("objective"));
    auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
    auto policy = make_part<Policy>("policy", "linear", root.section("policy"));
    const std::string digest = policy->digest();
    auto study = std::make_unique<TalkStudy>(task, root.section("pipeline"), std::move(policy), std::move(objective),
                                             std::move(judge));
    // Outcomes that count requests and tokens are larger than any update of a model.
    return federated(root, place,
                     {.task = std::make_shared<StudyTask>(task, std::move(study), read_seed(root)),
                      .data_digest = digest,
                      .value_bound = 1e7});
  }
};

}  // namespace

std::unique_ptr<TaskKind> talk(Settings&) { return std::make_unique<TalkKind>(); }

}  // namespace shoal::tasks
