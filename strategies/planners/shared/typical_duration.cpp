#include "strategies/planners/shared/typical_duration.hpp"

#include <algorithm>

#include "sim/random.hpp"
#include "sim/round/world.hpp"

namespace shoal::planners {

std::vector<Ticks> predicted_durations(std::int64_t most, const World& world) {
  const std::uint64_t clients = world.task.clients();
  const KeyedPermutation order(random_key(world.seed, "planner/selection"), 0, clients);
  std::vector<Ticks> durations;
  for (std::uint64_t i = 0; i < clients && std::ssize(durations) < most; ++i) {
    const std::int64_t drawn = order(i);
    const ClientId client{drawn};
    if (world.task.work(client).examples > 0) durations.push_back(world.duration(client));
  }
  std::ranges::sort(durations);
  return durations;
}

Ticks typical_duration(State& state, const World& world) {
  std::int64_t& kept = state.integer("typical duration");
  if (kept == 0) {
    const std::vector<Ticks> durations = predicted_durations(1001, world);
    kept = value(durations[(durations.size() - 1) / 2]);
  }
  return Ticks{kept};
}

}  // namespace shoal::planners
