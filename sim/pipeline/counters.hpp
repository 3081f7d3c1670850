#pragma once
// Counts that the components keep during a run.

#include <array>
#include <cstddef>
#include <cstdint>

#include "sim/ids.hpp"

namespace shoal::pipeline {

struct ServingCounters {
  std::int64_t requests = 0;     // well-formed requests, retries included
  std::int64_t malformed = 0;    // requests without session or turn type: errors
  std::int64_t refused = 0;      // requests answered by 503
  std::int64_t pauses = 0;       // pauses in which new generations wait or are refused, because of new weights
  std::int64_t interrupted = 0;  // interrupted generations
  std::int64_t longest_queue = 0;
  Ticks stalled{};          // total time of the pauses
  Ticks busy{};             // busy time of all slots together
  std::int64_t served = 0;  // replies, those of side turns included
  Ticks latency{};          // sum over all replies of the time since the client's first attempt
};

struct CollectionCounters {
  std::int64_t main = 0;  // turns of the main line, tool turns included
  std::int64_t side = 0;  // side turns
  std::int64_t joined = 0, expired = 0, duplicated = 0, late = 0;
  std::int64_t unknown = 0;  // states after turns that were not collected
  std::int64_t last = 0;     // last turns of sessions that ended properly: nothing follows them
};

struct JudgingCounters {
  std::int64_t positive = 0, negative = 0, neutral = 0;  // votes
  std::int64_t failed = 0, timed_out = 0;                // judgements without vote or hint
  std::int64_t hints = 0;
  std::int64_t repeated = 0;  // turns that were submitted again, without effect
  std::int64_t longest_queue = 0;
  Ticks busy{};  // busy time of all workers together
};

struct TrainingCounters {
  static constexpr std::size_t bins = 8;
  std::array<std::int64_t, bins> staleness{};  // consumed tokens by age in versions; the last bin counts older ones too
  std::int64_t rejected = 0;                   // consumed replies left out of the gradient: not finite
  std::int64_t skipped = 0;                    // updates whose gradient is not finite
  std::int64_t alarms = 0;                     // updates with a gradient norm beyond the alarm
  std::int64_t all_negative = 0;               // batches in which every vote is -1: they only raise the entropy
  std::int64_t longest_queue = 0;
  Ticks busy{};  // time of all updates
};

}  // namespace shoal::pipeline
