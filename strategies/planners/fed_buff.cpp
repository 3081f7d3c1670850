// FedBuff, asynchronous: `concurrency` clients train at any time; when `buffer` updates have arrived, the server makes
// a step with them, each weighted by 1 / (1 + staleness)^exponent. Nguyen et al., AISTATS 2022 (arXiv 2106.06639). The
// paper divides the weighted sum by the number of updates, so that stale ones make a smaller step; with normalise =
// "weights" it is a weighted mean. refill = "at_once" is the paper's protocol, with a mean staleness of (concurrency -
// 1) / buffer; "at_step" starts clients only after a server step, concurrency / buffer - 1 (Little's law); with buffer
// = concurrency that is the synchronous protocol. With "at_step" a step has fewer updates if the other clients in
// flight have all dropped out. The paper gives all updates equal weight: set aggregator.weights = "uniform" for
// strategies that weight by examples.

#include "strategies/planners/shared/flight.hpp"

namespace shoal::planners {
namespace {

constexpr std::int64_t most_dropouts = 1'000'000;  // in one server step

class FedBuff final : public Planner {
 public:
  explicit FedBuff(const Settings& s)
      : concurrency_(s),
        buffer_(s.integer("buffer", 10, "updates that make a server step", at_least(1))),
        at_once_(s.choice("refill", true, {{"at_once", true}, {"at_step", false}},
                          "when another client starts: as soon as one has ended, or after the server's step")),
        weight_(s),
        divisor_(s.choice("normalise", Divisor::own_weights,
                          {{"clients", Divisor::own_weights}, {"weights", Divisor::committed_weights}},
                          "divide the sum by the clients' own weights, or by those times their staleness weights")),
        dropout_(s),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const Task& task = all.task;
    concurrency_.check(task, at_once_ ? buffer_ - 1 : 0);
    if (!at_once_ && buffer_ > concurrency_.clients()) {
      user_error("{}: a buffer of {} updates (only {} clients train before a step). Lower 'buffer'.", where_, buffer_,
                 concurrency_.clients());
    }
    if (at_once_ && dropout_.probability() == 1) user_error("{}: no update ever arrives. Lower 'dropout'.", where_);
  }

  RoundPlan next(State& state, World& world) const override {
    RoundPlan plan{.time = world.now, .divisor = divisor_};
    Flight flight(state, world, concurrency_, dropout_, plan);
    flight.refill(world.now);
    // An arrival that fills the buffer is replaced in the next step, by a client that gets the new model.
    while (!flight.empty() && std::ssize(plan.commits) < buffer_) {
      flight.land(weight_);
      if (std::ssize(plan.dropouts) > most_dropouts) {
        user_error("{}: {} clients dropped out before {} updates arrived. Lower 'dropout'.", where_,
                   plan.dropouts.size(), buffer_);
      }
      if (at_once_ && std::ssize(plan.commits) < buffer_) flight.refill(plan.time);
    }
    flight.close();
    return plan;
  }

 private:
  Concurrency concurrency_;
  std::int64_t buffer_;
  bool at_once_;
  StalenessWeight weight_;
  Divisor divisor_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> fed_buff(Settings& settings) { return std::make_unique<FedBuff>(settings); }

}  // namespace shoal::planners
