// Uniform cohort: every round starts `cohort` clients drawn without replacement from those that are available (fewer if
// there are not so many) and waits for those that do not drop out.
// Selection is a keyed permutation of the population, so that ten million clients cost as much as ten.

#include "strategies/planners/shared/start.hpp"

namespace shoal::planners {
namespace {

class Uniform final : public Planner {
 public:
  explicit Uniform(const Settings& s)
      : cohort_(s.integer("cohort", 10, "clients started in each round", at_least(1))),
        minimum_(s.integer("minimum", 1, "reports below which a round is abandoned", at_least(1))),
        dropout_(s),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const Task& task = all.task;
    if (cohort_ > task.clients()) {
      user_error("{}: cohort of {} clients (the population has {}). Lower 'cohort'.", where_, cohort_, task.clients());
    }
    const std::int64_t able = count_able(task, cohort_);
    if (able < cohort_) {
      user_error("{}: cohort of {} clients (of {} only {} have examples). Lower 'cohort'.", where_, cohort_,
                 task.clients(), able);
    }
  }

  bool waits_for_all() const override { return true; }
  Sampling sampling(const Composition& all) const override {
    const double cohort = cohort_, clients = all.task.clients_with_examples();
    return where_all_are_available({.kind = Sampling::Kind::fixed_size, .rate = cohort / clients, .expected = cohort},
                                   all.population);
  }

  RoundPlan next(State& state, World& world) const override {
    const std::vector<ClientId> cohort = draw_clients(cohort_, world.round, world);
    std::vector<Participation> starts;
    for (const ClientId client : cohort) starts.push_back(dropout_.start(client, state, world));
    return wait_for_all(std::move(starts), minimum_, dropout_, world);
  }

 private:
  std::int64_t cohort_, minimum_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> uniform(Settings& settings) { return std::make_unique<Uniform>(settings); }

}  // namespace shoal::planners
