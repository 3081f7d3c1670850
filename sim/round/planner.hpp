#pragma once
// Who starts, from which version and when, and which earlier starts are committed: decided before anything is trained.

#include <span>
#include <string>
#include <vector>

#include "sim/participation.hpp"
#include "sim/settings/part.hpp"
#include "sim/state.hpp"

namespace shoal {

class Population;
class Task;
struct World;

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
  Ticks time{};                           // when the step happens
  std::vector<Participation> starts;      // new ones, in order of their ids
  std::vector<Commit> commits;            // starts of this or an earlier round, completed
  std::vector<ParticipationId> dropouts;  // starts of this or an earlier round that ended without being committed
  std::vector<ParticipationId> stops;     // of the losses, sorted: told to stop when the plan was made
  Divisor divisor = Divisor::committed_weights;
};

class Planner {
 public:
  virtual ~Planner() = default;
  /// Throws UserError if the planner cannot work with these clients, such as a cohort larger than the population.
  virtual void check(const Task&, const Population&) const {}
  /// Lines for `shoal plan`: what is known before the first round.
  virtual std::vector<std::string> notes() const { return {}; }
  /// The clients whose losses at the newest version `next` needs; each downloads the model once. Same on every rank.
  virtual std::vector<ClientId> probe(State&, const World&) const { return {}; }
  /// The next server step, whose participations begin with `World::start`. Same on every rank; makes no messages. Ids
  /// of starts continue from `state.integer("starts")`.
  virtual RoundPlan next(State& state, World& world) const = 0;
};

template <>
std::span<const Part<Planner>> parts<Planner>();  // generated from strategies/planners

}  // namespace shoal
