#include "sim/clients/fate.hpp"

#include <algorithm>

namespace shoal {
namespace {

constexpr std::int64_t most_changes = 100'000;  // of availability that a pausing participation lives through

// The phase that is under way after `done` of undisturbed work.
Outcome lost_after(Ticks done, std::span<const Ticks> phases) {
  const auto ended = std::ranges::upper_bound(phases.first(phases.size() - 1), done) - phases.begin();
  return lost_in(static_cast<std::size_t>(ended));
}

// How far a participation comes by chance alone: the work after which it is lost, and in which phase; or all of it.
struct Chance {
  Ticks work{};
  Outcome outcome = Outcome::completes;
};

Chance draw_chance(const Population& population, ClientId client, ParticipationId id, std::span<const Ticks> phases,
                   double dropout) {
  RandomStream random(random_key(population.seed(), Purpose::dropout), value(client), value(id));
  const auto lost_inside = [&](std::size_t phase) {
    const Ticks begin = phase == 0 ? Ticks{} : phases[phase - 1];
    const double passed = random.uniform() * static_cast<double>(value(phases[phase] - begin));
    return Chance{begin + Ticks{static_cast<std::int64_t>(passed)}, lost_in(phase)};
  };
  const double by_kind = population.device(client).dropout;
  if (random.uniform() < 1 - (1 - dropout) * (1 - by_kind)) return lost_inside(random.below(phases.size()));
  for (std::size_t phase = 0; phase < phases.size(); ++phase) {
    const double loss = population.loss(phase);
    if (loss > 0 && random.uniform() < loss) return lost_inside(phase);
  }
  return {phases.back()};
}

// Until when, and how far, `work` comes that starts at `start`.
struct Progress {
  Ticks time, done;
};

Progress proceed(const Population& population, ClientId client, Ticks start, Ticks work, Ticks deadline) {
  if (population.offline() == Offline::check_at_end) {
    return deadline - start < work ? Progress{deadline, deadline - start} : Progress{start + work, work};
  }
  Progress at{start, {}};
  Ticks stopped = start;  // when it worked last
  for (std::int64_t change = 0; change < most_changes; ++change) {
    const Stretch stretch = population.stretch(client, at.time);
    const Ticks next = std::min(stretch.until, deadline);
    if (stretch.on) {
      if (work - at.done <= next - at.time) return {at.time + work - at.done, work};
      at.done = at.done + (next - at.time);
      stopped = next;
    } else if (population.offline() == Offline::abort) {
      return at;
    }
    at.time = next;
    if (next == deadline && deadline != never) return at;
    if (next == never) break;
  }
  return {stopped, at.done};  // it never comes back
}

}  // namespace

Fate fate_of(const Population& population, ClientId client, ParticipationId id, Ticks start,
             std::span<const Ticks> phases, const Terms& terms) {
  ensure(!phases.empty() && std::ranges::is_sorted(phases) && phases.front() >= Ticks{}, "phases are out of order");
  Chance chance = draw_chance(population, client, id, phases, terms.dropout);
  if (!terms.keeps_result && phases.size() > 1 && phases[1] < chance.work) {
    chance = {phases[1], Outcome::lost_in_training};
  }
  const Progress progress = proceed(population, client, start, chance.work, std::max(terms.deadline, start));
  if (progress.done < chance.work) return {progress.time, lost_after(progress.done, phases)};
  if (chance.outcome == Outcome::completes && population.offline() == Offline::check_at_end &&
      !population.available(client, progress.time)) {
    return {progress.time, lost_in(phases.size() - 1)};
  }
  return {progress.time, chance.outcome};
}

}  // namespace shoal
