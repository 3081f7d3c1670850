// Stragglers as in the experiments of FedProx: in every round a fixed share of the cohort, drawn anew, has no time for
// all its work and does a uniformly random number of its epochs, at least one and fewer than all. work = "partial"
// keeps what they did, work = "dropped" discards it as late, which is what the paper calls FedAvg. Li et al., MLSys
// 2020 (arXiv 1812.06127), section 5.2. A client with fewer than two epochs to do keeps a share of its steps that is
// uniform in (0, 1).

#include <cmath>

#include "strategies/planners/shared/reports.hpp"

namespace shoal::planners {
namespace {

class Stragglers final : public Planner {
 public:
  explicit Stragglers(const Settings& s)
      : cohort_(s),
        share_(s.number("share", 0.5, "share of the cohort that straggles, rounded to whole clients", between(0, 1))),
        keep_(s.choice("work", true, {{"partial", true}, {"dropped", false}},
                       "the work of stragglers counts, or is discarded as late")),
        dropout_(s) {}

  void check(const Composition& all) const override { cohort_.check(all.task, cohort_.size()); }

  RoundPlan next(State& state, World& world) const override {
    // The permutation is random, so its first clients are as random a part of the cohort as any.
    const std::vector<ClientId> cohort = draw_clients(cohort_.size(), world.round, world);
    const std::int64_t stragglers = std::llround(share_ * cohort.size());
    const RandomKey key = random_key(world.seed, "planner/stragglers");
    std::vector<Participation> starts;
    for (const ClientId client : cohort) {
      Participation p = dropout_.start(client, state, world);
      const Participation whole = p;
      if (std::ssize(starts) < stragglers) slow_down(p, world, key);
      if (p.fraction != whole.fraction) world.restart(whole, p);
      starts.push_back(p);
    }
    // Stragglers take as long as the others: the time is what limits their work.
    return commit_first(std::move(starts), {.minimum = cohort_.minimum()}, state, world);
  }

 private:
  void slow_down(Participation& p, const World& world, RandomKey key) const {
    if (!world.contributes(p)) return;
    RandomStream random(key, value(p.client), value(p.id));
    const std::int64_t epochs = world.local.epochs;  // whole ones
    if (world.local.steps == 0 && epochs >= 2) {
      p.fraction *= (1 + random.below(epochs - 1)) / world.local.epochs;
    } else {
      p.fraction *= 1 - random.uniform();
    }
    if (!keep_) p.outcome = Outcome::late;
  }

  Cohort cohort_;
  double share_;
  bool keep_;
  Dropout dropout_;
};

}  // namespace

std::unique_ptr<Planner> stragglers(Settings& settings) { return std::make_unique<Stragglers>(settings); }

}  // namespace shoal::planners
