#pragma once
// Judging: each worker makes one judgement at a time, and other turns wait. Slow judgements time out; these and failed
// ones give no vote.

#include <map>
#include <optional>
#include <set>

#include "sim/pipeline/bounded_queue.hpp"
#include "sim/pipeline/event_heap.hpp"
#include "sim/pipeline/ledger.hpp"
#include "sim/pipeline/settings.hpp"

namespace shoal::pipeline {

struct JudgingCounters {
  std::int64_t positive = 0, negative = 0, neutral = 0;  // votes
  std::int64_t failed = 0, timed_out = 0;                // judgements without vote or hint
  std::int64_t hints = 0;
  std::int64_t repeated = 0;  // turns that were submitted again, without effect
  Ticks busy{};               // busy time of all workers together
};

/// A judgement depends on the turn alone, so it is the same whenever it is made.
class Judging {
 public:
  Judging(Ledger& ledger, const Judge& judge, const JudgingSettings& settings, std::int64_t capacity,
          std::uint64_t seed, std::int64_t replicate);

  /// Has a collected turn judged by the state that followed it.
  void submit(std::int64_t number, const FollowUp& state, Ticks now, EventHeap& events);
  /// Ends the judgement of a turn, which from now on has its signals and hints.
  void finish(std::int64_t number, Ticks now, EventHeap& events);

  /// Keeps new judgements from starting.
  void pause() { paused_ = true; }
  void resume(Ticks now, EventHeap& events);

  std::int64_t resident() const { return waiting_.size() + std::ssize(running_); }
  std::int64_t longest_queue() const { return waiting_.longest(); }
  /// Counts running judgements as busy until `now`.
  JudgingCounters counters(Ticks now) const;
  void check() const { waiting_.check(); }

 private:
  struct Running {
    FollowUp state;
    RandomStream random;
    Judgement judgement;
    Ticks since{};
    bool fails = false;
  };
  void start_waiting(Ticks now, EventHeap& events);
  void start(std::int64_t number, Ticks now, EventHeap& events);
  void decide(Turn& turn, Running& running);

  Ledger& ledger_;
  const Judge& judge_;
  const JudgingSettings& settings_;
  RandomKey key_;
  std::int64_t replicate_;
  BoundedQueue waiting_;
  std::map<std::int64_t, FollowUp> states_;  // states that followed the waiting turns
  std::map<std::int64_t, Running> running_;
  std::set<TurnKey> submitted_;
  bool paused_ = false;
  JudgingCounters counters_;
};

}  // namespace shoal::pipeline
