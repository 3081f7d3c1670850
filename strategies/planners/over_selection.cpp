// Over-selection: every round invites `factor` times as many clients as its `goal` of reports and commits the first
// that arrive. The others are late: their work is done, sent and wasted. A round is abandoned if it has fewer than
// `minimum` reports at the deadline, or when all invited clients have reported or dropped out. Bonawitz et al., MLSys
// 2019 (arXiv 1902.01046), section 2.2.

#include <cmath>

#include "strategies/planners/shared/reports.hpp"

namespace shoal::planners {
namespace {

// Probability that at least `least` of n independent events of probability p happen.
double at_least_of(std::int64_t least, std::int64_t n, double p) {
  if (p <= 0) return least <= 0 ? 1 : 0;
  if (p >= 1) return least <= n ? 1 : 0;
  double sum = 0;
  const auto log_factorial = [](std::int64_t k) { return std::lgamma(k + 1.0); };
  for (std::int64_t k = least; k <= n; ++k) {
    const double log_ways = log_factorial(n) - log_factorial(k) - log_factorial(n - k);
    sum += std::exp(log_ways + k * std::log(p) + (n - k) * std::log1p(-p));
  }
  return std::min(sum, 1.0);
}

class OverSelection final : public Planner {
 public:
  explicit OverSelection(const Settings& s)
      : goal_(s.integer("goal", 10, "reports that end a round", between(1, 1e9))),
        factor_(s.number("factor", 1.3, "invited clients per report of the goal; their number is rounded up",
                         between(1, 1e6))),
        minimum_(s.integer("minimum", 0, "reports below which a round is abandoned; 0: the goal", at_least(0))),
        deadline_(s.number("deadline", 0, "longest duration of a round, seconds of virtual time; 0: no deadline",
                           between(0, 1e12))),
        dropout_(s),
        where_(s.where()) {
    if (minimum_ == 0) minimum_ = goal_;
    if (minimum_ > goal_) {
      user_error("{}: a minimum of {} reports (the round ends with {}). Lower 'minimum'.", where_, minimum_, goal_);
    }
  }

  void check(const Composition& all) const override {
    const Task& task = all.task;
    Cohort::check_cohort(task, invited(), where_, "goal");
  }

  std::vector<std::string> notes(const Composition&) const override {
    return {
        fmt::format("{} invited for {} reports; at least {} complete with probability {:.6f} (binomial: dropout {}{})",
                    invited(), goal_, minimum_, at_least_of(minimum_, invited(), 1 - dropout_.probability()),
                    dropout_.probability(), deadline_ > 0 ? ", without the deadline" : "")};
  }

  RoundPlan next(State& state, World& world) const override {
    std::vector<Participation> starts;
    for (const ClientId client : draw_clients(invited(), world.round, world, still_at_work(state, world.now))) {
      starts.push_back(dropout_.start(client, state, world));
    }
    Reporting reporting{.goal = goal_, .minimum = minimum_};
    if (deadline_ > 0) reporting.deadline = world.now + std::max(Ticks{1}, ticks(deadline_));
    return commit_first(std::move(starts), reporting, state, world);
  }

 private:
  std::int64_t invited() const {
    // A product such as 1.1 * 10, which is a little above 11, is not rounded up to 12.
    return std::ceil(factor_ * goal_ * (1 - 1e-12));
  }

  std::int64_t goal_;
  double factor_;
  std::int64_t minimum_;
  double deadline_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> over_selection(Settings& settings) { return std::make_unique<OverSelection>(settings); }

}  // namespace shoal::planners
