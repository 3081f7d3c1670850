// Semi-synchronous: the server makes a step at the end of every period, with the updates that have arrived, weighted by
// their staleness; clients whose update was used are replaced after the step. Asynchronous federated learning with
// periodic aggregation: Hu, Chen and Larsson, IEEE JSAC 2023 (arXiv 2212.07356), whose scheduling by channel quality is
// left out. A period in which nothing arrives is an abandoned round.

#include "strategies/planners/shared/flight.hpp"
#include "strategies/planners/shared/typical_duration.hpp"

namespace shoal::planners {
namespace {

class Periodic final : public Planner {
 public:
  explicit Periodic(const Settings& s)
      : concurrency_(s),
        period_(s.number("period", 0,
                         "seconds of virtual time between server steps; 0: the median client's duration, as predicted "
                         "in the first round",
                         between(0, 1e12))),
        weight_(s),
        dropout_(s) {}

  void check(const Composition& all) const override { concurrency_.check(all.task, 0); }

  RoundPlan next(State& state, World& world) const override {
    RoundPlan plan{.time = world.now};
    const Ticks end = world.now + (period_ > 0 ? std::max(Ticks{1}, ticks(period_)) : typical_duration(state, world));
    Flight flight(state, world, concurrency_, dropout_, plan);
    flight.refill(world.now);
    while (!flight.empty() && flight.next_end() <= end) flight.land(weight_);
    flight.close();
    plan.time = end;
    return plan;
  }

 private:
  Concurrency concurrency_;
  double period_;
  StalenessWeight weight_;
  Dropout dropout_;
};

}  // namespace

std::unique_ptr<Planner> periodic(Settings& settings) { return std::make_unique<Periodic>(settings); }

}  // namespace shoal::planners
