#pragma once
// Rollout collection: joins served turns with the states that followed them.

#include <map>
#include <unordered_map>
#include <vector>

#include "sim/pipeline/letters.hpp"
#include "sim/pipeline/setup.hpp"

namespace shoal::pipeline {

/// Holds each turn until its next state arrives, its session ends, or `expiry` passes without a turn or state of the
/// session. Turns enter the ledger here.
class Collection final : public Component {
 public:
  Collection(const Setup& setup, const RunKey& run);

  std::vector<Letter> handle(const Letter& letter, Ticks now) override;

  /// Adds a served turn, or drops it where it is damaged or not admitted. Sees to it that `expire` is called.
  void add(Turn turn, Outbox& out);
  /// Has the turn that the state followed judged; none for a duplicate, for a late state and for an unknown turn.
  void join(const FollowUp& state, Outbox& out);
  /// Ends a session. Passes its last turn on, which has no next state, if that is waiting. Other turns keep waiting.
  void close(const TurnKey& last, Outbox& out);
  /// Drops turns that have waited too long. Looks again later, as long as the session is open.
  void expire(std::int64_t user, std::int64_t session, Outbox& out);

  std::int64_t waiting() const { return std::ssize(turns_); }
  const CollectionCounters& counters() const { return counters_; }
  Ledger ledger() const;

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

  bool admitted() const;
  Turn release(CollectedTurn& turn, Status status);
  void pass_ledger(Subject subject, const Ledger& before, Outbox& out) const;
  void note(TraceEntry::Kind kind, const TurnKey& turn, Outbox& out) const;

  const TrainingSettings& training_;
  Ticks expiry_;
  std::int64_t batch_;
  Keep keep_;
  std::map<std::pair<std::int64_t, std::int64_t>, OpenSession> sessions_;  // by (user, session)
  std::unordered_map<std::int64_t, Turn> turns_;                           // those that wait, by number
  TrainerLevel trainer_;
  std::int64_t judging_ = 0;  // turns in judging
  Ledger ledger_;
  CollectionCounters counters_;
  bool stopped_ = false;
};

}  // namespace shoal::pipeline
