// Deadline: a round ends `deadline` seconds after its start, or earlier when all have reported. stragglers = "dropped":
// a client that takes longer is late, and its work is wasted (FedCS without its choice of clients: Nishio and Yonetani,
// ICC 2019, arXiv 1804.08333). stragglers = "partial": clients know the deadline and do as many local steps as fit
// (FedProx: Li et al., MLSys 2020, arXiv 1812.06127, section 3.2); a client that cannot do even one is late.

#include "strategies/planners/shared/reports.hpp"
#include "strategies/planners/shared/typical_duration.hpp"

namespace shoal::planners {
namespace {

// The participation with as many of its local steps as fit before the deadline; unchanged if not even one fits.
Participation shortened(Participation p, Ticks deadline, double dropout, const World& world) {
  const std::int64_t examples = world.task.work(p.client).examples;
  const std::int64_t all = world.local.local_steps(examples, 1);
  const Device device = world.population.device(p.client, p.id);
  // Dropout by chance is drawn as for the whole participation: a shorter one drops out no less often.
  const Terms terms{.dropout = dropout, .keeps_result = p.fraction == 1 || world.population.partial().keeps()};
  const auto share = [&](double steps) { return steps / all; };
  const auto fate = [&](std::int64_t steps) {
    return fate_of(world.population, p.client, p.id, p.start, world.phases(device, p.client, share(steps)), terms);
  };
  std::int64_t fit = 0, no_fit = world.local.local_steps(examples, p.fraction);
  while (no_fit - fit > 1) {
    const std::int64_t middle = fit + (no_fit - fit) / 2;
    if (fate(middle).finish <= deadline) {
      fit = middle;
    } else {
      no_fit = middle;
    }
  }
  if (fit == 0) return p;
  p.fraction = share(fit);
  p.finish = fate(fit).finish;
  p.outcome = fate(fit).outcome;
  return p;
}

class Deadline final : public Planner {
 public:
  explicit Deadline(const Settings& s)
      : cohort_(s),
        deadline_(s.number("deadline", 0,
                           "longest duration of a round, seconds of virtual time; 0: the median client's duration, "
                           "as predicted in the first round",
                           between(0, 1e12))),
        partial_(s.choice("stragglers", true, {{"partial", true}, {"dropped", false}},
                          "clients that cannot do all their work in time send a part of it, or are late")),
        dropout_(s) {}

  void check(const Composition& all) const override { cohort_.check(all.task, cohort_.size()); }

  RoundPlan next(State& state, World& world) const override {
    const Ticks lasts = deadline_ > 0 ? std::max(Ticks{1}, ticks(deadline_)) : typical_duration(state, world);
    const Reporting reporting{.minimum = cohort_.minimum(), .deadline = world.now + lasts};
    std::vector<Participation> starts;
    for (const ClientId client : draw_clients(cohort_.size(), world.round, world, still_at_work(state, world.now))) {
      Participation p = dropout_.start(client, state, world);
      const Participation whole = p;
      if (partial_ && p.finish > reporting.deadline) {
        p = shortened(p, reporting.deadline, dropout_.probability(), world);
      }
      if (p.fraction != whole.fraction) world.restart(whole, p);
      starts.push_back(p);
    }
    return commit_first(std::move(starts), reporting, state, world);
  }

 private:
  Cohort cohort_;
  double deadline_;
  bool partial_;
  Dropout dropout_;
};

}  // namespace

std::unique_ptr<Planner> deadline(Settings& settings) { return std::make_unique<Deadline>(settings); }

}  // namespace shoal::planners
