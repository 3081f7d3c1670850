#pragma once
// What synchronous planners share: starting a participation, its fate, and closing the round.

#include <algorithm>

#include "sim/round/planner.hpp"

namespace shoal::planners {

/// Drop-out by chance: a fixed probability, the same for all clients; the phase is drawn as well.
class DropOut {
 public:
  explicit DropOut(const Settings& s)
      : probability_(s.number("dropout", 0, "probability that a started client is lost", between(0, 1))) {}

  /// A new participation of `client` from the newest version, starting now.
  Participation start(ClientId client, State& state, const World& world) const {
    Participation p{.id = ParticipationId{state.integer("starts")++},
                    .client = client,
                    .version = world.version,
                    .start = world.now};
    p.finish = p.start + world.duration(client);
    RandomStream random(random_key(world.seed, Purpose::dropout), value(client), value(p.id));
    if (random.uniform() < probability_) {
      p.outcome = static_cast<Outcome>(1 + random.below(3));
      const double passed = random.uniform() * static_cast<double>(value(p.finish - p.start));
      p.finish = p.start + Ticks{static_cast<std::int64_t>(passed)};
    }
    return p;
  }

 private:
  double probability_;
};

/// A synchronous round: the server waits for all that complete and commits them if they are at least `minimum`.
inline RoundPlan close_round(std::vector<Participation> starts, std::int64_t minimum, Ticks now) {
  RoundPlan plan{.time = now, .starts = std::move(starts)};
  for (const Participation& p : plan.starts) {
    plan.time = std::max(plan.time, p.finish);
    if (p.outcome == Outcome::completes) {
      plan.commits.push_back({p.id});
    } else {
      plan.losses.push_back(p.id);
    }
  }
  if (std::ssize(plan.commits) >= minimum) return plan;
  plan.verdict = Verdict::abandoned;
  for (const Commit& commit : plan.commits) plan.losses.push_back(commit.id);
  plan.commits.clear();
  return plan;
}

}  // namespace shoal::planners
