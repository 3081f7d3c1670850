#include "sim/round/planner.hpp"

#include <algorithm>

namespace shoal {
namespace {

constexpr std::int64_t most_asked = 10'000;      // clients, in a search for one that is available
constexpr std::int64_t most_steps = 10'000'000;  // of their changes, in all: about a second

}  // namespace

Ticks next_available(const Task& task, const Population& population, Ticks from, const World* world) {
  const std::int64_t clients = task.clients(), asked = std::min(clients, most_asked);
  const KeyedPermutation order(random_key(population.seed(), Purpose::selection), 0,
                               static_cast<std::uint64_t>(clients));
  Ticks first = never;
  for (std::int64_t i = 0; i < asked && first > from; ++i) {
    const ClientId client{clients == asked ? i : static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i)))};
    if (task.work(client).examples == 0) continue;
    Ticks time = from;
    for (std::int64_t step = 0; step < most_steps / asked && time < first; ++step) {
      const Stretch stretch = population.stretch(client, time);
      const Ticks allowed = stretch.on && world != nullptr ? world->allowed_from(client, time) : time;
      if (stretch.on && allowed < stretch.until) first = std::min(first, allowed);
      time = std::max(stretch.until, allowed);
    }
  }
  if (first == never) {
    user_error(
        "no client is available at {:.0f} s of virtual time or later ({} of {} clients were asked, up to {} changes "
        "each). Loosen [population]: 'availability', 'limits', 'consent'?",
        seconds(from), asked, clients, most_steps / asked);
  }
  return first;
}

namespace {

// Asks with what clients have spent today, which is kept in the planner's state, where there are quotas.
template <class Ask>
auto with_use(State& state, const World& world, Ask&& ask) {
  World knowing = world;
  if (!world.population.limits().quota().any()) return ask(knowing);
  DailyUse used(state.blob("used today"));
  used.forget(world.now);
  knowing.used = &used;
  auto answer = ask(knowing);
  state.blob("used today") = used.bytes();
  return answer;
}

RoundPlan plan_step(const Planner& planner, State& state, World& world) {
  RoundPlan plan = planner.next(state, world);
  if (plan.starts.empty() && plan.commits.empty() && world.in_flight.size() == plan.losses.size()) {
    plan.verdict = Verdict::abandoned;
    plan.time = next_available(world.task, world.population, std::max(plan.time, world.now), &world);
  }
  return plan;
}

}  // namespace

std::vector<ClientId> next_probes(const Planner& planner, State& state, const World& world) {
  return with_use(state, world, [&](const World& w) { return planner.probe(state, w); });
}

RoundPlan next_plan(const Planner& planner, State& state, const World& original) {
  return with_use(state, original, [&](World& world) { return plan_step(planner, state, world); });
}

}  // namespace shoal
