// Deadline: a round ends `deadline` seconds after its start, or earlier when all have reported. stragglers = "dropped":
// who takes longer is late, and its work is wasted (FedCS without its choice of clients: Nishio and Yonetani, ICC 2019,
// arXiv 1804.08333). stragglers = "partial": clients know the deadline and send what they managed by then, as many
// local steps as fit (FedProx: Li et al., MLSys 2020, arXiv 1812.06127, section 3.2); late is who cannot do a single
// one.

#include "strategies/planners/reports.hpp"
#include "strategies/planners/typical_duration.hpp"

namespace shoal::planners {
namespace {

// The participation with as many of its local steps as fit before the deadline; as it is where not one does.
Participation shortened(Participation p, Ticks deadline, const World& world) {
  const std::int64_t examples = world.task.work(p.client).examples;
  const std::int64_t all = world.local.local_steps(examples, 1);
  const auto share = [&](std::int64_t steps) { return static_cast<double>(steps) / static_cast<double>(all); };
  std::int64_t fit = 0, no_fit = all;
  while (no_fit - fit > 1) {
    const std::int64_t middle = fit + (no_fit - fit) / 2;
    (p.start + world.duration(p.client, share(middle)) <= deadline ? fit : no_fit) = middle;
  }
  if (fit == 0) return p;
  p.fraction = share(fit);
  p.finish = p.start + world.duration(p.client, p.fraction);
  p.outcome = Outcome::completes;  // what would have been its fate after the deadline does not happen
  return p;
}

class Deadline final : public Planner {
 public:
  explicit Deadline(const Settings& s)
      : cohort_(s),
        deadline_(s.number("deadline", 0,
                           "seconds of virtual time that a round lasts at most; 0: what the median client takes, as "
                           "predicted in the first round",
                           between(0, 1e12))),
        partial_(s.choice("stragglers", "partial", {"partial", "dropped"},
                          "clients that cannot do all their work in time send a part of it, or are late") == "partial"),
        drop_out_(s) {}

  void check(const Task& task, const Population&) const override { cohort_.check(task, cohort_.size()); }

  RoundPlan next(State& state, const World& world) const override {
    const Ticks lasts = deadline_ > 0 ? std::max(Ticks{1}, ticks(deadline_)) : typical_duration(state, world);
    const Reporting reporting{.minimum = cohort_.minimum(), .deadline = world.now + lasts};
    std::vector<Participation> starts;
    for (const ClientId client : draw_clients(cohort_.size(), world.round, world, still_at_work(state, world.now))) {
      Participation p = drop_out_.start(client, state, world);
      if (partial_ && p.finish > reporting.deadline) p = shortened(p, reporting.deadline, world);
      starts.push_back(p);
    }
    return close_round(std::move(starts), reporting, state, world);
  }

 private:
  Cohort cohort_;
  double deadline_;
  bool partial_;
  DropOut drop_out_;
};

}  // namespace

std::unique_ptr<Planner> deadline(Settings& settings) { return std::make_unique<Deadline>(settings); }

}  // namespace shoal::planners
