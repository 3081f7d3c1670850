// FedAsync: asynchronous, and the server makes a step with every update as soon as it arrives, weighted by a function
// of its staleness. Xie, Koyejo and Gupta 2019 (arXiv 1903.03934), algorithm 1. With strategy = "fed_async" the server
// mixes the client's model into its own, as in the paper; with others it adds their weighted update. The paper draws
// staleness at random; here it follows from the devices.

#include "strategies/planners/shared/flight.hpp"

namespace shoal::planners {
namespace {

constexpr std::int64_t most_dropouts = 1'000'000;  // in one server step

class FedAsync final : public Planner {
 public:
  explicit FedAsync(const Settings& s) : concurrency_(s), weight_(s), dropout_(s), where_(s.where()) {}

  void check(const Composition& all) const override {
    const Task& task = all.task;
    concurrency_.check(task, 0);
    if (dropout_.probability() == 1) user_error("{}: no update ever arrives. Lower 'dropout'.", where_);
  }

  RoundPlan next(State& state, World& world) const override {
    RoundPlan plan{.time = world.now, .divisor = Divisor::own_weights};
    Flight flight(state, world, concurrency_, dropout_, plan);
    flight.refill(world.now);
    while (!flight.empty() && plan.commits.empty()) {
      flight.land(weight_);
      if (std::ssize(plan.dropouts) > most_dropouts) {
        user_error("{}: {} clients dropped out before an update arrived. Lower 'dropout'.", where_,
                   plan.dropouts.size());
      }
      if (plan.commits.empty()) flight.refill(plan.time);
    }
    flight.close();
    return plan;
  }

 private:
  Concurrency concurrency_;
  StalenessWeight weight_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> fed_async(Settings& settings) { return std::make_unique<FedAsync>(settings); }

}  // namespace shoal::planners
