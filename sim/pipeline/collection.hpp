#pragma once
// Rollout collection: joins served turns with the states that followed them.

#include <map>
#include <optional>
#include <vector>

#include "sim/pipeline/ledger.hpp"

namespace shoal::pipeline {

struct CollectionCounters {
  std::int64_t main = 0;  // turns of the main line, tool turns included
  std::int64_t side = 0;  // side turns
  std::int64_t joined = 0, expired = 0, duplicated = 0, late = 0;
  std::int64_t unknown = 0;  // states after turns that were not collected
  std::int64_t last = 0;     // last turns of sessions that ended properly: nothing follows them
};

/// Holds each turn until its next state arrives, its session ends, or `expiry` passes without a turn or state of the
/// session.
class Collection {
 public:
  Collection(Ledger& ledger, Ticks expiry) : ledger_(ledger), expiry_(expiry) {}

  /// Adds a served turn. Returns when to call `expire`, unless a call is scheduled already.
  std::optional<Ticks> add(std::int64_t number, Ticks now);
  void add_side() { ++counters_.side; }
  /// Returns the turn that the state followed; none for a duplicate, for a late state and for an unknown turn.
  std::optional<std::int64_t> join(const FollowUp& state, Ticks now);
  /// Ends a session. Returns its last turn, which has no next state, if that is waiting. Other turns keep waiting.
  std::optional<std::int64_t> close(const TurnKey& last);
  /// Drops turns that have waited too long. Returns when to look again, as long as the session is open.
  std::optional<Ticks> expire(std::int64_t user, std::int64_t session, Ticks now);

  std::int64_t waiting() const { return waiting_; }
  const CollectionCounters& counters() const { return counters_; }

 private:
  enum class Status : std::int8_t { absent, waiting, joined, gone };
  struct CollectedTurn {
    Status status = Status::absent;
    std::int64_t number = 0;
  };
  struct OpenSession {
    std::vector<CollectedTurn> turns;
    Ticks last_sign{};  // time of the last turn or state
    bool closed = false;
    bool watched = false;  // a call of `expire` is scheduled
  };

  Ledger& ledger_;
  Ticks expiry_;
  std::map<std::pair<std::int64_t, std::int64_t>, OpenSession> sessions_;  // by (user, session)
  std::int64_t waiting_ = 0;
  CollectionCounters counters_;
};

}  // namespace shoal::pipeline
