// Poisson sampling: every client takes part in a round independently with probability cohort / clients, as the
// accounting of differential privacy assumes; of those drawn, the available ones start. Mironov, Talwar and Zhang 2019
// (arXiv 1908.10530).

#include "strategies/planners/shared/start.hpp"

namespace shoal::planners {
namespace {

class Poisson final : public Planner {
 public:
  explicit Poisson(const Settings& s)
      : cohort_(s.number("cohort", 10, "expected number of clients in a round", positive())),
        minimum_(s.integer("minimum", 0,
                           "reports below which a round is abandoned; a round without any is, unless a part adds noise "
                           "even then",
                           at_least(0))),
        dropout_(s),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const Task& task = all.task;
    if (cohort_ > task.clients()) {
      user_error("{}: expected cohort of {} clients (the population has {}). Lower 'cohort'.", where_, cohort_,
                 task.clients());
    }
  }

  bool waits_for_all() const override { return true; }
  Sampling sampling(const Composition& all) const override {
    // Whether a round is abandoned for want of reports depends on who was drawn.
    const double rate = cohort_ / all.task.clients();
    const Sampling sampling{.kind = minimum_ > 0 ? Sampling::Kind::none : Sampling::Kind::poisson,
                            .rate = rate,
                            .expected = rate * all.task.clients_with_examples()};
    return where_all_are_available(sampling, all.population);
  }

  RoundPlan next(State& state, World& world) const override {
    const std::int64_t clients = world.task.clients();
    const double q = cohort_ / clients;
    // Gaps between members are geometric, so the cost is that of the cohort, not of the population.
    RandomStream random(random_key(world.seed, "planner/selection"), -1, world.round);
    std::vector<Participation> starts;
    for (std::int64_t client = gap(q, random); client < clients; client += 1 + gap(q, random)) {
      if (!world.may_start(ClientId{client})) continue;
      if (world.task.work(ClientId{client}).examples == 0) continue;
      starts.push_back(dropout_.start(ClientId{client}, state, world));
    }
    return wait_for_all(std::move(starts), minimum_, dropout_, world);
  }

 private:
  static std::int64_t gap(double q, RandomStream& random) {
    if (q >= 1) return 0;
    const double draw = std::floor(std::log(1 - random.uniform()) / std::log1p(-q));
    return std::min(draw, 4e18);  // fits 64 bits
  }

  double cohort_;
  std::int64_t minimum_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> poisson(Settings& settings) { return std::make_unique<Poisson>(settings); }

}  // namespace shoal::planners
