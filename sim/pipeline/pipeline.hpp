#pragma once
// Serving, rollout collection, judging and training run concurrently on the virtual clock. No component waits for
// another inside a step of its own; they meet in the hand-over of weights. The architecture of OpenClaw-RL (arXiv
// 2603.10165), section 2, with its hand-over and three others.
//
//   user -> serving -> reply -> user ... -> next request, with what followed the reply
//              |                                 |
//              +--> collection (joins both) <----+
//                        |
//                      judge --> bounded queue --> trainer --> weights of the next version --> serving

#include <array>
#include <vector>

#include "sim/pipeline/collection.hpp"
#include "sim/pipeline/evaluator.hpp"
#include "sim/pipeline/judging.hpp"
#include "sim/pipeline/serving.hpp"
#include "sim/pipeline/training.hpp"
#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {

inline constexpr int most_measured = 16;  // the weights are measured after each of the first updates, up to this many

/// Parts and settings of a run, which they must outlive.
struct Setup {
  const Policy& policy;
  const Objective& objective;
  const Judge& judge;
  at::Tensor initial;  // [d]
  const UserPool& pool;
  const PipelineSettings& pipeline;
  const LearningSettings& learning;
  std::int64_t updates = 0;    // updates after which the run ends; 0: it ends when every user is content
  std::int64_t questions = 0;  // questions per user on which weights are measured
};

/// One entry of a run's trace.
struct TraceEntry {
  enum class Kind : std::int8_t {
    asked,
    refused,
    malformed,
    served,
    joined,
    closed,
    judged,
    consumed,
    trained,
    handed_over
  };
  Ticks time{};
  Kind kind = Kind::asked;
  TurnKey turn;                        // unset where kind is trained or handed_over
  std::int64_t version = 0;            // served: that of the last token; consumed, trained, handed_over: the trainer's
  std::vector<std::int64_t> versions;  // served, consumed: version of each token
  Ticks latency{};                     // served: time since the first attempt

  friend bool operator==(const TraceEntry&, const TraceEntry&) = default;
};

enum class Keep : std::int8_t { counts, trace };

struct Result {
  std::vector<std::int64_t> content_at;              // Users::content_at of each user
  std::array<Quality, most_measured + 1> quality{};  // after 0, 1, ... updates; the last one measured is repeated
  ServingCounters serving;
  CollectionCounters collection;
  JudgingCounters judging;
  TrainingCounters training;
  std::int64_t produced = 0, consumed = 0, resident = 0;
  std::array<std::int64_t, reasons.size()> dropped{};
  std::int64_t served = 0, gave_up = 0, updates = 0, longest_queue = 0;
  Ticks end{};
  Ticks latency{};                                            // sum over all served requests
  double idle_serving = 0, idle_judge = 0, idle_trainer = 0;  // idle shares of the time of slots, workers and trainer
  std::vector<TraceEntry> trace;
};

/// Runs the pipeline once. The result is a function of the setup, the seed and the replicate.
Result run(const Setup& setup, std::uint64_t seed, std::int64_t replicate, Keep keep = Keep::counts);

}  // namespace shoal::pipeline
