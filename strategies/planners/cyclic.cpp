// Cyclic participation: the clients are divided at random into fixed groups, the groups take turns, and each round's
// cohort is drawn from the group whose turn it is. Cho et al., ICML 2023 (arXiv 2302.03109), algorithm 1. groups = 0
// makes groups of a cohort each: with cohort = 1 the model goes from client to client in a fixed order (cyclic weight
// transfer, Chang et al., JAMIA 2018).

#include "strategies/planners/shared/reports.hpp"

namespace shoal::planners {
namespace {

class Cyclic final : public Planner {
 public:
  explicit Cyclic(const Settings& s)
      : cohort_(s),
        groups_(
            s.integer("groups", 0, "number of groups that take turns; 0: the number of whole cohorts", at_least(0))),
        dropout_(s),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const Task& task = all.task;
    cohort_.check(task, cohort_.size());
    if (groups_ > task.clients()) {
      user_error("{}: {} groups (the population has {} clients). Lower 'groups'.", where_, groups_, task.clients());
    }
  }

  Sampling sampling(const Composition& all) const override {
    const double clients = all.task.clients();
    const double cohort = std::min<double>(cohort_.size(), clients / groups(all.task.clients()));
    return where_all_are_available({.kind = Sampling::Kind::cyclic,
                                    .rate = cohort / clients,
                                    .expected = cohort,
                                    .min_separation = groups(all.task.clients())},
                                   all.population);
  }

  RoundPlan next(State& state, World& world) const override {
    const std::int64_t clients = world.task.clients();
    const std::int64_t groups = this->groups(clients);
    const std::int64_t turn = (world.round - 1) % groups;
    const std::int64_t first = turn * clients / groups, size = (turn + 1) * clients / groups - first;
    // A client's place in the cycle never changes; the draw from its group does.
    const RandomKey key = random_key(world.seed, "planner/selection");
    const KeyedPermutation places(key, 0, clients);
    const KeyedPermutation order(key, world.round, size);
    std::vector<Participation> starts;
    for (std::int64_t i = 0; i < size && std::ssize(starts) < cohort_.size(); ++i) {
      const std::int64_t drawn = places(first + order(i));
      const ClientId client{drawn};
      if (!world.may_start(client)) continue;
      if (world.task.work(client).examples > 0) starts.push_back(dropout_.start(client, state, world));
    }
    return commit_first(std::move(starts), {.minimum = cohort_.minimum()}, state, world);
  }

 private:
  std::int64_t groups(std::int64_t clients) const {
    return groups_ > 0 ? groups_ : std::max<std::int64_t>(1, clients / cohort_.size());
  }

  Cohort cohort_;
  std::int64_t groups_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> cyclic(Settings& settings) { return std::make_unique<Cyclic>(settings); }

}  // namespace shoal::planners
