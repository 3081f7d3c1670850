#pragma once
// What asynchronous planners share: the clients that train at any time, and the order in which they end.

#include "sim/round/events.hpp"
#include "strategies/planners/staleness.hpp"
#include "strategies/planners/start.hpp"

namespace shoal::planners {

/// How many clients train at a time, and for how long.
class Concurrency {
 public:
  explicit Concurrency(const Settings& s)
      : clients_(s.integer("concurrency", 10, "clients that train at any time", at_least(1))),
        max_staleness_(s.integer("max_staleness", 100,
                                 "server steps after which a client is told to stop; also bounds "
                                 "the model versions in memory to one more",
                                 at_least(0))),
        where_(s.where()) {}

  std::int64_t clients() const { return clients_; }
  std::int64_t max_staleness() const { return max_staleness_; }
  /// UserError unless the population has clients for all in flight and `waiting` whose updates have arrived.
  void check(const Task& task, std::int64_t waiting) const {
    const std::int64_t needed = clients_ + waiting;
    const std::int64_t able = count_able(task, needed);
    if (able == needed) return;
    const std::string who = needed > task.clients() ? fmt::format("the population has {}", task.clients())
                                                    : fmt::format("of {} only {} have examples", task.clients(), able);
    user_error("{}: {} clients in flight or in the buffer ({}). Lower 'concurrency'?", where_, needed, who);
  }

 private:
  std::int64_t clients_, max_staleness_;
  std::string where_;
};

/// Who trains while one server step is planned. What runs is World::in_flight, so a planner's state is two counters: of
/// starts and of draws. A client is busy from its start to the step that uses its update.
class Flight {
 public:
  /// Fills `plan`, first with those that are too stale, which are told to stop.
  Flight(State& state, const World& world, const Concurrency& concurrency, const DropOut& drop_out, RoundPlan& plan)
      : state_(state), world_(world), concurrency_(concurrency), drop_out_(drop_out), plan_(plan) {
    std::vector<Event> events;
    for (const auto& [id, running] : world.in_flight) {
      if (value(world.version) - value(running.version) > concurrency.max_staleness()) {
        plan.stops.push_back(id);
        plan.losses.push_back(id);
      } else {
        events.push_back(end_of(running));
        busy_.insert(running.client);
      }
    }
    running_ = EventQueue(std::move(events));
  }

  bool empty() const { return running_.empty(); }
  Ticks next_end() const { return running_.next().time; }

  /// Starts clients at `now` until `concurrency` train, or all that there are.
  void refill(Ticks now) {
    const std::int64_t missing = concurrency_.clients() - running_.size();
    World then = world_;
    then.now = now;
    for (const ClientId client : draw_clients(missing, ++state_.integer("draws"), then, busy_)) {
      plan_.starts.push_back(drop_out_.start(client, state_, then));
      running_.push(end_of(plan_.starts.back()));
      busy_.insert(client);
    }
  }

  /// The next participation ends: it is committed with the weight of its staleness, or lost.
  void land(const StalenessWeight& weight) {
    const Event end = running_.pop();
    plan_.time = end.time;
    if (end.kind == EventKind::arrival) {
      plan_.commits.push_back({end.id, weight(value(world_.version) - value(version_of(end.id)))});
    } else {
      plan_.losses.push_back(end.id);
      busy_.erase(end.client);
    }
  }

  /// Puts the plan in order when the step has been decided.
  void close() {
    if (plan_.commits.empty()) plan_.verdict = Verdict::abandoned;
    std::ranges::sort(plan_.commits, {}, &Commit::id);
    std::ranges::sort(plan_.losses);
  }

 private:
  Version version_of(ParticipationId id) const {
    const auto earlier = world_.in_flight.find(id);
    return earlier == world_.in_flight.end() ? world_.version : earlier->second.version;
  }

  State& state_;
  const World& world_;
  const Concurrency& concurrency_;
  const DropOut& drop_out_;
  RoundPlan& plan_;
  EventQueue running_;
  std::set<ClientId> busy_;
};

}  // namespace shoal::planners
