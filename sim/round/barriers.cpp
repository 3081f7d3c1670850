#include "sim/round/barriers.hpp"

#include <algorithm>

namespace shoal {
namespace {

// Whether the participation is still there when the phase at this place begins.
bool gets_to(const Participation& p, std::size_t place, const PhaseEnds& ends) {
  if (p.outcome == Outcome::completes) return true;
  const int number = static_cast<int>(p.outcome) - static_cast<int>(dropout_in(0));
  return number >= 0 && ends.place(number) >= place;
}

// The end of the phase before, of the last client that is still there, counted from the start.
Ticks barrier_before(std::size_t number, std::span<const Participation> starts, const World& world) {
  Ticks last{};
  for (const Participation& p : starts) {
    const PhaseEnds ends = world.phases(world.population.device(p.client, p.id), p.client, p.fraction);
    const std::size_t place = ends.place(number);
    if (gets_to(p, place, ends)) last = std::max(last, ends.begin(place));
  }
  return last;
}

void charge(const Participation& p, double sign, World& world) {
  if (world.used == nullptr) return;
  const Spending spent = world.spending(p);
  world.used->add(p.client, world.population.end_of_day(p.client, p.start),
                  {sign * spent.bytes, sign * spent.joules, sign * spent.seconds});
}

}  // namespace

void hold_at_barriers(std::span<Participation> starts, const Terms& terms, World& world) {
  if (std::ranges::none_of(world.protocol, &ProtocolPhase::waits)) return;
  for (const Participation& p : starts) charge(p, -1, world);
  world.barriers.assign(world.protocol.size(), Ticks{});
  for (std::size_t i = 0; i < world.protocol.size(); ++i) {
    if (!world.protocol[i].waits) continue;
    world.barriers[i] = barrier_before(own_phases + i, starts, world);
    for (Participation& p : starts) p = world.fated(p.id, p.client, terms);
  }
  for (const Participation& p : starts) charge(p, 1, world);
}

}  // namespace shoal
