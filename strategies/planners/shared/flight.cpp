#include "strategies/planners/shared/flight.hpp"

#include <algorithm>

namespace shoal::planners {

Concurrency::Concurrency(const Settings& s)
    : clients_(s.integer("concurrency", 10, "clients that train at any time", at_least(1))),
      max_staleness_(s.integer("max_staleness", 100,
                               "server steps after which a client is told to stop; memory holds at most this many "
                               "model versions plus one",
                               at_least(0))),
      where_(s.where()) {}

void Concurrency::check(const Task& task, std::int64_t waiting) const {
  const std::int64_t needed = clients_ + waiting;
  const std::int64_t able = count_able(task, needed);
  if (able == needed) return;
  const std::string who = needed > task.clients() ? fmt::format("the population has {}", task.clients())
                                                  : fmt::format("of {} only {} have examples", task.clients(), able);
  user_error("{}: {} clients in flight or in the buffer ({}). Lower 'concurrency'.", where_, needed, who);
}

Flight::Flight(State& state, World& world, const Concurrency& concurrency, const Dropout& dropout, RoundPlan& plan)
    : state_(state), world_(world), concurrency_(concurrency), dropout_(dropout), plan_(plan) {
  std::vector<ParticipationEnd> ends;
  for (const auto& [id, p] : world.in_flight) {
    if (value(world.version) - value(p.version) > concurrency.max_staleness()) {
      plan.stops.push_back(id);
      plan.dropouts.push_back(id);
    } else {
      ends.push_back(end_of(p, world.contributes(p)));
      busy_.insert(p.client);
    }
  }
  running_ = EndQueue(std::move(ends));
}

void Flight::refill(Ticks now) {
  const std::int64_t missing = concurrency_.clients() - running_.size();
  World then = world_;
  then.now = now;
  for (const ClientId client : draw_clients(missing, ++state_.integer("draws"), then, busy_)) {
    const Participation& p = plan_.starts.emplace_back(dropout_.start(client, state_, then));
    running_.push(end_of(p, then.contributes(p)));
    busy_.insert(client);
  }
}

void Flight::land(const StalenessWeight& weight) {
  const ParticipationEnd end = running_.pop();
  plan_.time = end.time;
  if (end.kind == EndKind::arrival) {
    plan_.commits.push_back({end.id, weight(value(world_.version) - value(version_of(end.id)))});
  } else {
    plan_.dropouts.push_back(end.id);
    busy_.erase(end.client);
  }
}

void Flight::close() {
  if (plan_.commits.empty()) plan_.verdict = Verdict::abandoned;
  std::ranges::sort(plan_.commits, {}, &Commit::id);
  std::ranges::sort(plan_.dropouts);
}

Version Flight::version_of(ParticipationId id) const {
  const auto earlier = world_.in_flight.find(id);
  return earlier == world_.in_flight.end() ? world_.version : earlier->second.version;
}

}  // namespace shoal::planners
