#pragma once
// The trainer: takes full batches within the staleness bound and computes weights of the next version.

#include <array>
#include <vector>

#include "sim/agents/learner.hpp"
#include "sim/nn/adam.hpp"
#include "sim/pipeline/bounded_queue.hpp"
#include "sim/pipeline/ledger.hpp"
#include "sim/pipeline/settings.hpp"

namespace shoal::pipeline {

/// Settings of an update.
struct LearningSettings {
  explicit LearningSettings(const Settings& s);
  std::int64_t batch;    // samples per update
  double rate;           // learning rate of Adam
  bool kl_to_teacher;    // replies without a hint have a KL penalty to the teacher, as published
  std::int64_t refresh;  // updates between refreshes of the teacher with the current policy; 0: never
};

struct TrainingCounters {
  static constexpr std::size_t bins = 8;
  std::array<std::int64_t, bins> staleness{};  // consumed tokens by age in versions; the last bin counts older ones too
  std::int64_t rejected = 0;                   // consumed replies left out of the gradient: not finite
  std::int64_t skipped = 0;                    // updates whose gradient is not finite
  std::int64_t alarms = 0;                     // updates with a gradient norm beyond the alarm
  std::int64_t all_negative = 0;               // batches in which every vote is -1: they only raise the entropy
};

class Training {
 public:
  Training(Ledger& ledger, const Policy& policy, const Objective& objective, const LearningSettings& learning,
           const TrainingSettings& settings, std::int64_t capacity, const at::Tensor& initial, std::uint64_t seed,
           std::int64_t replicate);

  /// Queues a turn that was judged, or that nothing follows. Drops it, with the reason, if it cannot be trained on.
  void enqueue(std::int64_t number, TurnStage from);
  /// Drops turns that are too old for the next update. Returns whether the rest fills a batch.
  bool full();
  /// Takes a batch, the oldest turns first, and trains on it. version() does not change before `finish`.
  void train();
  /// Ends the update: version() increases by one.
  void finish();

  const at::Tensor& weights() const { return weights_; }
  std::int64_t version() const { return version_; }
  std::int64_t queued() const { return queue_.size(); }
  std::int64_t longest_queue() const { return queue_.longest(); }
  std::int64_t batch() const { return learning_.batch; }
  const TrainingCounters& counters() const { return counters_; }
  void check() const { queue_.check(); }
  /// Numbers of the turns of the last batch.
  const std::vector<std::int64_t>& last_batch() const { return last_batch_; }

 private:
  std::vector<JudgedReply> take_batch();
  void count_staleness(std::int64_t number);

  Ledger& ledger_;
  const Objective& objective_;
  const LearningSettings& learning_;
  const TrainingSettings& settings_;
  Learner learner_;
  BoundedQueue queue_;
  RandomStream random_;
  at::Tensor weights_, next_, teacher_, gradient_;  // [d]
  TensorAdam adam_;
  std::int64_t version_ = 0;
  std::vector<std::int64_t> last_batch_;
  TrainingCounters counters_;
};

}  // namespace shoal::pipeline
