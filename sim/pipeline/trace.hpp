#pragma once
// The trace of a run: what happened to which turn, and when.

#include <cstdint>
#include <vector>

#include "sim/pipeline/turns.hpp"

namespace shoal::pipeline {

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

}  // namespace shoal::pipeline
