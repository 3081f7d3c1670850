#pragma once
// Shared by all planners: drawing clients, starting a participation, and a synchronous round that waits for all.

#include <set>

#include "sim/round/planner.hpp"
#include "sim/round/world.hpp"

namespace shoal::planners {

/// `count` clients with examples that may start now and are not `busy`, fewer if there are no more: the first of keyed
/// permutation number `draw` of the population, so that ten million clients cost as much as ten. Looks at no more than
/// 100 clients for each that is wanted, or 100,000: if fewer of them may start, it returns fewer.
std::vector<ClientId> draw_clients(std::int64_t count, std::int64_t draw, const World& world,
                                   const std::set<ClientId>& busy = {});

/// The first `count` clients in the order of draw_clients that `accept` accepts.
template <class Accept>
std::vector<ClientId> draw_such(std::int64_t count, std::int64_t draw, const World& world,
                                const std::set<ClientId>& busy, const Accept& accept) {
  for (std::int64_t sample = 4 * count;; sample *= 4) {
    std::vector<ClientId> drawn = draw_clients(sample, draw, world, busy);
    const bool are_all = std::ssize(drawn) < sample;
    std::erase_if(drawn, [&](ClientId client) { return !accept(client); });
    if (!are_all && std::ssize(drawn) < count) continue;
    if (std::ssize(drawn) > count) drawn.resize(count);
    return drawn;
  }
}

/// Dropout by chance: a fixed probability, the same for all clients, in addition to the dropouts of [population]. The
/// phase is drawn as well, and the moment in it.
class Dropout {
 public:
  explicit Dropout(const Settings& s);

  double probability() const { return probability_; }
  /// The terms of its participations.
  Terms terms() const { return {.dropout = probability_}; }

  /// A new participation of `client` from the newest version, starting now.
  Participation start(ClientId client, State& state, World& world) const;

 private:
  double probability_;
};

/// How many clients have examples, counted up to `enough`: the first ones usually have.
std::int64_t count_able(const Task& task, std::int64_t enough);

/// `sampling`, but of no kind if availability, consent, limits or quotas decide as well who takes part.
Sampling where_all_are_available(Sampling sampling, const Population& population);

/// The reports below which a round is abandoned: `minimum`, but none where the server steps without clients and one is
/// asked for, as it is by default.
std::int64_t least_reports(std::int64_t minimum, const World& world);

/// A synchronous round: the server waits for all that complete and commits them if they are at least `minimum`. The
/// starts are those that `dropout` has made in `world`; in phases of a protocol that wait, they wait for each other.
RoundPlan wait_for_all(std::vector<Participation> starts, std::int64_t minimum, const Dropout& dropout, World& world);

}  // namespace shoal::planners
