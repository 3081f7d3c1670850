#include "sim/clients/fate.hpp"

#include <algorithm>

namespace shoal {
namespace {

// The phase that is under way after `passed` of undisturbed work.
Outcome lost_after(Ticks passed, std::span<const Ticks> phases) {
  const auto ended = std::ranges::upper_bound(phases.first(phases.size() - 1), passed) - phases.begin();
  return lost_in(static_cast<std::size_t>(ended));
}

}  // namespace

Fate fate_of(const Population& population, ClientId client, ParticipationId id, Ticks start,
             std::span<const Ticks> phases, const Terms& terms) {
  ensure(!phases.empty() && std::ranges::is_sorted(phases) && phases.front() >= Ticks{}, "phases are out of order");
  Fate fate{.finish = start + phases.back()};
  RandomStream random(random_key(population.seed(), Purpose::dropout), value(client), value(id));
  if (random.uniform() < terms.dropout) {
    const std::size_t phase = random.below(phases.size());
    const Ticks begin = phase == 0 ? Ticks{} : phases[phase - 1];
    const double passed = random.uniform() * static_cast<double>(value(phases[phase] - begin));
    fate = {start + begin + Ticks{static_cast<std::int64_t>(passed)}, lost_in(phase)};
  }
  const Stretch here = population.stretch(client, start);
  const Ticks end = here.on ? here.until : start;
  if (end < fate.finish) fate = {end, lost_after(end - start, phases)};
  if (terms.deadline < fate.finish) {
    const Ticks last = std::max(terms.deadline, start);
    fate = {last, lost_after(last - start, phases)};
  }
  return fate;
}

}  // namespace shoal
