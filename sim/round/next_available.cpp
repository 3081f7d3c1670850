#include "sim/round/next_available.hpp"

#include <algorithm>

namespace shoal {
namespace {

constexpr std::int64_t most_asked = 10'000;      // clients that one search looks at
constexpr std::int64_t most_steps = 10'000'000;  // changes of availability in one search: about a second

}  // namespace

Ticks next_available(const Task& task, const Population& population, Ticks from, const World* world) {
  const std::int64_t clients = task.clients();
  const std::int64_t asked = std::min(clients, most_asked);
  const KeyedPermutation order(random_key(population.seed(), "planner/selection"), 0, clients);
  Ticks first = never;
  for (std::int64_t i = 0; i < asked && first > from; ++i) {
    const ClientId client{clients == asked ? i : static_cast<std::int64_t>(order(i))};
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
        "each). Loosen [population]: 'availability', 'limits' or 'consent'.",
        seconds(from), asked, clients, most_steps / asked);
  }
  return first;
}

}  // namespace shoal
