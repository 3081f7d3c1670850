// Availability-aware: of `candidates` clients that are available now, those that are least available later take part,
// so that rarely available clients contribute as well. The rule is the intelligent participant selection of REFL:
// Abdelmoniem et al., EuroSys 2023 (arXiv 2111.01108), section 4.1: with mu the moving average of a round's duration,
// clients are ranked by their availability between mu and 2 mu from now, the least available first. The paper's clients
// forecast it; here the population gives it at eight instants, a forecast without error. The paper's aggregation of
// stale updates is left out.

#include <cmath>

#include "strategies/planners/shared/reports.hpp"
#include "strategies/planners/shared/typical_duration.hpp"

namespace shoal::planners {
namespace {

constexpr std::int64_t instants = 8;

class Refl final : public Planner {
 public:
  explicit Refl(const Settings& s)
      : cohort_(s),
        candidates_(s.integer("candidates", 20, "available clients that are ranked", at_least(1))),
        smoothing_(s.number("smoothing", 0.25, "share of the past in the moving average of a round's duration",
                            between(0, 1))),
        dropout_(s),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const Task& task = all.task;
    if (candidates_ < cohort_.size()) {
      user_error("{}: {} candidates for a cohort of {}. Raise 'candidates'.", where_, candidates_, cohort_.size());
    }
    Cohort::check_cohort(task, candidates_, where_, "candidates");
  }

  RoundPlan next(State& state, World& world) const override {
    std::int64_t& mean = state.integer("mean duration");
    if (mean == 0) mean = value(typical_duration(state, world));
    const auto availability = [&](ClientId client) {
      std::int64_t seen = 0;
      for (std::int64_t i = 0; i < instants; ++i) {
        const Ticks ahead{mean + mean * i / (instants - 1)};
        seen += world.population.available(client, world.now + ahead) ? 1 : 0;
      }
      return seen;
    };
    std::vector<std::pair<std::int64_t, ClientId>> ranked;
    for (const ClientId client : draw_clients(candidates_, world.round, world)) {
      ranked.emplace_back(availability(client), client);
    }
    std::ranges::stable_sort(ranked, {}, [](const auto& entry) { return entry.first; });  // ties: as drawn
    if (std::ssize(ranked) > cohort_.size()) ranked.resize(cohort_.size());
    std::vector<Participation> starts;
    for (const auto& [seen, client] : ranked) starts.push_back(dropout_.start(client, state, world));
    RoundPlan plan = commit_first(std::move(starts), {.minimum = cohort_.minimum()}, state, world);
    const double now = (1 - smoothing_) * value(plan.time - world.now);
    mean = std::max<std::int64_t>(1, std::llround(now + smoothing_ * mean));
    return plan;
  }

 private:
  Cohort cohort_;
  std::int64_t candidates_;
  double smoothing_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> refl(Settings& settings) { return std::make_unique<Refl>(settings); }

}  // namespace shoal::planners
