#pragma once
// Judging: each worker makes one judgement at a time, and other turns wait. Slow judgements time out; these and failed
// ones give no vote.

#include <map>
#include <set>

#include "sim/pipeline/bounded_queue.hpp"
#include "sim/pipeline/letters.hpp"
#include "sim/pipeline/setup.hpp"

namespace shoal::pipeline {

/// A judgement depends on the turn alone, so it is the same whenever it is made.
class Judging final : public Component {
 public:
  Judging(const Setup& setup, const RunKey& run);

  std::vector<Letter> handle(const Letter& letter, Ticks now) override;

  /// Has a collected turn judged by the state that followed it; one that nothing follows goes to the trainer at once.
  void submit(ToJudge order, Outbox& out);
  /// Ends the judgement of a turn, and passes the turn on with its signals and hints.
  void finish(std::int64_t number, Outbox& out);

  /// Keeps new judgements from starting.
  void pause() { paused_ = true; }
  void resume(Outbox& out);

  std::int64_t resident() const { return waiting_.size() + std::ssize(running_); }
  /// Counts running judgements as busy until `now`.
  JudgingCounters counters(Ticks now) const;
  Ledger ledger() const;

 private:
  struct Running {
    ToJudge order;
    RandomStream random;
    Judgement judgement;
    Ticks since{};
    bool fails = false;
  };
  void start_waiting(Outbox& out);
  void start(ToJudge order, Outbox& out);
  void decide(Running& running);
  void report_level(Outbox& out);
  void pass_ledger(Subject subject, const Ledger& before, Outbox& out) const;

  const Judge& judge_;
  const JudgingSettings& settings_;
  bool reports_level_;
  RandomKey key_;
  std::int64_t replicate_;
  Keep keep_;
  BoundedQueue<ToJudge> waiting_;
  std::map<std::int64_t, Running> running_;  // by the turn's number
  std::set<TurnKey> submitted_;
  bool paused_ = false;
  std::int64_t told_ = 0;  // resident() as collection knows it
  Ledger ledger_;
  JudgingCounters counters_;
  bool stopped_ = false;
};

}  // namespace shoal::pipeline
