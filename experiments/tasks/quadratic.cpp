// Clients with quadratic objectives: everything can be computed by hand.

#include "sim/task/quadratic.hpp"

#include "experiments/tasks/shared/federated.hpp"

namespace shoal::tasks {
namespace {

class QuadraticKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place& place) const override {
    return federated(root, place, {.task = std::make_shared<Quadratic>(root.section("task"), read_seed(root))});
  }
};

}  // namespace

std::unique_ptr<TaskKind> quadratic(Settings&) { return std::make_unique<QuadraticKind>(); }

}  // namespace shoal::tasks
