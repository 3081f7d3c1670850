// Users of an agent, each a client: the policy learns from the users' reactions to its replies, by any strategy.

#include "experiments/tasks/shared/federated.hpp"
#include "experiments/tasks/shared/policy.hpp"
#include "sim/agents/agents_task.hpp"

namespace shoal::tasks {
namespace {

class AgentsKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place& place) const override {
    auto policy = make_policy(root.section("policy"));
    auto objective = make_part<Objective>("objective", "binary_rl", root.section("objective"));
    auto judge = make_part<Judge>("judge", "confusion", root.section("judge"));
    const std::string digest = policy->digest();
    auto task = std::make_shared<AgentsTask>(root.section("task"), std::move(policy), std::move(objective),
                                             std::move(judge), read_seed(root));
    return federated(root, place, {.task = std::move(task), .data_digest = digest, .steps_take_all = true});
  }
};

}  // namespace

std::unique_ptr<TaskKind> agents(Settings&) { return std::make_unique<AgentsKind>(); }

}  // namespace shoal::tasks
