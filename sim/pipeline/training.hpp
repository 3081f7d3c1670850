#pragma once
// The trainer: takes full batches within the staleness bound, computes weights of the next version and hands them over.

#include <vector>

#include "sim/agents/learner.hpp"
#include "sim/nn/adam.hpp"
#include "sim/pipeline/bounded_queue.hpp"
#include "sim/pipeline/hand_over_rule.hpp"
#include "sim/pipeline/letters.hpp"
#include "sim/pipeline/setup.hpp"

namespace shoal::pipeline {

class Training final : public Component {
 public:
  Training(const Setup& setup, const RunKey& run);

  std::vector<Letter> handle(const Letter& letter, Ticks now) override;

  /// Queues a turn that was judged, or that nothing follows. Drops it, with the reason, if it cannot be trained on.
  void enqueue(Turn turn);

  std::int64_t version() const { return version_; }
  std::int64_t queued() const { return queue_.size(); }
  TrainingCounters counters(Ticks now) const;
  Ledger ledger() const;

 private:
  void settle(Outbox& out);
  void perform(HandOverRule::Act act, Outbox& out);
  /// Drops turns that are too old for the next update. Returns whether the rest fills a batch.
  bool full();
  /// Takes a batch, the oldest turns first, and trains on it. version() does not change before `finish`.
  void train(Outbox& out);
  std::vector<JudgedReply> take_batch(Outbox& out);
  void count_staleness(const Turn& turn);
  /// Ends the update: version() increases by one.
  void finish(Outbox& out);
  void hand_over(Outbox& out);
  void report_level(Outbox& out);
  void stop(const Ledger& before, Outbox& out);
  void note(const TraceEntry& entry, Outbox& out) const;

  const Objective& objective_;
  const LearningSettings& learning_;
  const TrainingSettings& settings_;
  Ticks travel_;           // time for which weights travel to serving
  std::int64_t measured_;  // the auditor measures the weights up to this version
  Keep keep_;
  Learner learner_;
  HandOverRule rule_;
  BoundedQueue<Turn> queue_;
  RandomStream random_;
  at::Tensor weights_, next_, teacher_, gradient_;  // [d]
  TensorAdam adam_;
  std::int64_t version_ = 0;
  Ticks busy_until_{};
  TrainerLevel told_;  // the level that collection knows
  Ledger ledger_;
  TrainingCounters counters_;
  bool stopped_ = false;
};

}  // namespace shoal::pipeline
