#pragma once
// Shared by asynchronous planners: the clients that train at any time, and the order in which they end.

#include "sim/round/end_queue.hpp"
#include "strategies/planners/shared/staleness.hpp"
#include "strategies/planners/shared/start.hpp"

namespace shoal::planners {

/// How many clients train at a time, and for how long.
class Concurrency {
 public:
  explicit Concurrency(const Settings& s);

  std::int64_t clients() const { return clients_; }
  std::int64_t max_staleness() const { return max_staleness_; }
  /// UserError unless the population has enough clients for those in flight and for `waiting` updates in the buffer.
  void check(const Task& task, std::int64_t waiting) const;

 private:
  std::int64_t clients_, max_staleness_;
  std::string where_;
};

/// The clients that train while one server step is planned. Those that train before it are World::in_flight, so a
/// planner's state is two counters: of starts and of draws. A client is busy from its start to the step that uses its
/// update.
class Flight {
 public:
  /// Fills `plan`, beginning with the participations that are too stale: they are told to stop.
  Flight(State& state, World& world, const Concurrency& concurrency, const Dropout& dropout, RoundPlan& plan);

  bool empty() const { return running_.empty(); }
  Ticks next_end() const { return running_.next().time; }

  /// Starts clients at `now` until `concurrency` train or no more are available.
  void refill(Ticks now);
  /// The next participation ends: it is committed with the weight of its staleness, or drops out.
  void land(const StalenessWeight& weight);
  /// Puts the plan in order when the step has been decided.
  void close();

 private:
  Version version_of(ParticipationId id) const;

  State& state_;
  World& world_;
  const Concurrency& concurrency_;
  const Dropout& dropout_;
  RoundPlan& plan_;
  EndQueue running_;
  std::set<ClientId> busy_;
};

}  // namespace shoal::planners
