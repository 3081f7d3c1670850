#pragma once
// The result of a run.

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "sim/pipeline/counters.hpp"
#include "sim/pipeline/evaluator.hpp"
#include "sim/pipeline/ledger.hpp"
#include "sim/pipeline/setup.hpp"

namespace shoal::pipeline {

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
  at::Tensor weights;                                         // [d], after the last update
  std::vector<TraceEntry> trace;
};

}  // namespace shoal::pipeline
