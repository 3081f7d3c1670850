#include "sim/clients/fate.hpp"

#include <algorithm>

namespace shoal {
namespace {

constexpr std::int64_t most_changes = 100'000;  // changes of availability in one pausing participation, at most

// How far a participation gets by chance alone: the work done when it drops out and the phase in which it does, or all
// of the work.
struct Chance {
  Ticks work{};
  Outcome outcome = Outcome::completes;
};

Chance draw_chance(const Population& population, ClientId client, ParticipationId id, const PhaseEnds& phases,
                   double dropout) {
  RandomStream random = population.chance(client, id);
  const auto drops_out_inside = [&](std::size_t place) {
    const Ticks begin = phases.begin(place);
    const std::int64_t passed = random.uniform() * value(phases.end(place) - begin);  // rounded down
    return Chance{begin + Ticks{passed}, dropout_in(phases.number(place))};
  };
  const double by_kind = population.device(client).dropout;
  if (random.uniform() < 1 - (1 - dropout) * (1 - by_kind)) return drops_out_inside(random.below(phases.count()));
  for (std::size_t place = 0; place < phases.count(); ++place) {
    const double probability = population.dropout(phases.number(place));
    if (probability > 0 && random.uniform() < probability) return drops_out_inside(place);
  }
  return {phases.last()};
}

// How much work is done, and when it ended.
struct Progress {
  Ticks time, done;
};

// How far `work` that begins at `start` gets before the client leaves or the deadline passes.
Progress proceed(const Population& population, ClientId client, Ticks start, Ticks work, Ticks deadline) {
  if (population.offline() == Offline::check_at_end) {
    return deadline - start < work ? Progress{deadline, deadline - start} : Progress{start + work, work};
  }
  Progress at{start, {}};
  Ticks stopped = start;  // when it last worked
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
  return {stopped, at.done};  // the client never comes back
}

}  // namespace

PhaseEnds::PhaseEnds(std::vector<Ticks> ends, std::size_t before) : ends_(std::move(ends)), before_(before) {
  ensure(ends_.size() >= before_ + 3, "{} phases with {} before the download", ends_.size(), before_);
  ensure(std::ranges::is_sorted(ends_) && ends_.front() >= Ticks{}, "phases are out of order");
}

std::size_t PhaseEnds::under_way(Ticks done) const {
  return std::upper_bound(ends_.begin(), ends_.end() - 1, done) - ends_.begin();
}

std::size_t PhaseEnds::number(std::size_t place) const {
  if (place < before_) return 3 + place;
  return place < before_ + 3 ? place - before_ : place;
}

std::size_t PhaseEnds::place(std::size_t number) const {
  if (number < 3) return before_ + number;
  return number < before_ + 3 ? number - 3 : number;
}

Fate fate_of(const Population& population, ClientId client, ParticipationId id, Ticks start, const PhaseEnds& phases,
             const Terms& terms) {
  Chance chance = draw_chance(population, client, id, phases, terms.dropout);
  if (!terms.keeps_result && phases.training() < chance.work) {
    chance = {phases.training(), Outcome::dropout_in_training};
  }
  const Progress progress = proceed(population, client, start, chance.work, std::max(terms.deadline, start));
  if (progress.done < chance.work) return {progress.time, dropout_in(phases.number(phases.under_way(progress.done)))};
  if (chance.outcome == Outcome::completes && population.offline() == Offline::check_at_end &&
      !population.available(client, progress.time)) {
    return {progress.time, dropout_in(phases.number(phases.count() - 1))};
  }
  return {progress.time, chance.outcome};
}

}  // namespace shoal
