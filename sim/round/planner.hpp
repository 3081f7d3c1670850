#pragma once
// A planner decides which clients start, from which version and when, and which participations are committed. It does
// so before anything is trained.

#include <span>
#include <string>
#include <vector>

#include "sim/participation.hpp"
#include "sim/round/part.hpp"

namespace shoal {

struct World;

/// A committed participation. `weight` multiplies the client's own weight, for instance by a factor for staleness.
struct Commit {
  ParticipationId id{};
  double weight = 1;
};

enum class Verdict : std::int8_t { commit = 0, abandoned = 1 };

/// The divisor of the weighted sums of the strategy's channels. With the commits' weights in it the result is a
/// weighted mean. With the clients' own weights alone, stale updates make a smaller step (the FedBuff paper divides by
/// the number of clients).
enum class Divisor : std::int8_t { committed_weights, own_weights };

/// One server step.
struct RoundPlan {
  Verdict verdict = Verdict::commit;
  Ticks time{};                           // virtual time of the step
  std::vector<Participation> starts;      // new participations, in the order of their ids
  std::vector<Commit> commits;            // participations from this or an earlier round whose updates are used
  std::vector<ParticipationId> dropouts;  // participations from this or an earlier round that end uncommitted
  std::vector<ParticipationId> stops;     // those dropouts that the server told to stop when it planned, sorted
  Divisor divisor = Divisor::committed_weights;
};

/// How a planner draws cohorts, as the accounting of differential privacy has to know it.
struct Sampling {
  enum class Kind : std::int8_t {
    poisson,     // every client independently with probability `rate`
    fixed_size,  // uniformly, `expected` clients without replacement
    cyclic,      // in turns
    none,        // anything else; wherever availability, consent or quotas decide who may be drawn
  };
  Kind kind = Kind::none;
  double rate = 0;                      // probability of one client in one round
  double expected = 0;                  // expected number of clients that start in a round; 0: unknown
  std::int64_t min_separation = 0;      // fewest rounds from one participation of a client to its next; 0: unknown
  std::int64_t max_participations = 0;  // most participations of one client in the whole run; 0: unknown
};

class Planner : public RoundPart {
 public:
  /// Whether all clients of a round start together and the server waits for each that has not dropped out. Protocols
  /// in which clients wait for each other need that.
  virtual bool waits_for_all() const { return false; }
  /// How cohorts are drawn.
  virtual Sampling sampling(const Composition&) const { return {}; }
  /// The clients whose losses at the newest version `next` needs; each of them downloads the model once. The same on
  /// every rank.
  virtual std::vector<ClientId> probe(State&, const World&) const { return {}; }
  /// Plans the next server step; participations are started with `World::start`. The same on every rank; sends no
  /// messages. Ids of new participations continue from `state.integer("starts")`.
  virtual RoundPlan next(State& state, World& world) const = 0;
};

template <>
std::span<const Part<Planner>> parts<Planner>();  // generated from strategies/planners

}  // namespace shoal
