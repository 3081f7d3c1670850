#pragma once
// When: who starts, from which version, which earlier starts are committed. Decided before anything is trained.

#include <span>
#include <string>
#include <vector>

#include "sim/part.hpp"
#include "sim/participation.hpp"
#include "sim/round/world.hpp"
#include "sim/state.hpp"

namespace shoal {

/// A committed participation; `weight` scales the client's own (staleness weights).
struct Commit {
  ParticipationId id{};
  double weight = 1;
};

enum class Verdict : std::int8_t { commit = 0, abandoned = 1 };

/// What the weighted sum of the strategy's channels is divided by. With the commits' weights in the divisor it is a
/// mean, whatever they are; without, stale updates make a smaller step (FedBuff's paper divides by the number of
/// clients).
enum class Divisor : std::int8_t { committed_weights, own_weights };

/// One server step.
struct RoundPlan {
  Verdict verdict = Verdict::commit;
  Ticks time{};                         // when the step happens
  std::vector<Participation> starts;    // new ones, in order of their ids
  std::vector<Commit> commits;          // starts of this or an earlier round, completed
  std::vector<ParticipationId> losses;  // starts of this or an earlier round that ended without being committed
  std::vector<ParticipationId> stops;   // of the losses, sorted: told to stop when the plan was made
  Divisor divisor = Divisor::committed_weights;
};

class Planner {
 public:
  virtual ~Planner() = default;
  /// Checks what can be known before the first round (cohort against population): UserError.
  virtual void check(const Task&, const Population&) const {}
  /// What can be said before the first round, for `shoal plan`: a line each.
  virtual std::vector<std::string> notes() const { return {}; }
  /// Whose loss at the newest version is wanted before `next`: each downloads the model once. Same on every rank.
  virtual std::vector<ClientId> probe(State&, const World&) const { return {}; }
  /// The next server step, whose participations begin with `World::start`. Same on every rank; makes no messages. Ids
  /// of starts continue from `state.integer("starts")`.
  virtual RoundPlan next(State& state, World& world) const = 0;
};

/// The first instant from `from` on at which a client with examples is available, and, given a world, has enough left
/// of its quotas: exact for up to 10,000 clients, else the first for as many of them. UserError when none comes within
/// a bounded search.
Ticks next_available(const Task& task, const Population& population, Ticks from, const World* world = nullptr);

/// Planner::probe; what clients have spent today is known to it as to next_plan.
std::vector<ClientId> next_probes(const Planner& planner, State& state, const World& world);

/// The planner's next server step. When it starts nobody and nobody is in flight, because nobody is available, the
/// abandoned round ends at the next instant when somebody is: time always goes on. Daily use is kept in the planner's
/// state, "used today", where there are quotas.
RoundPlan next_plan(const Planner& planner, State& state, const World& world);

template <>
std::span<const Part<Planner>> parts<Planner>();  // generated from strategies/planners

}  // namespace shoal
