#pragma once
// How fast this machine is at a cell's work: one piece of each kind, measured in this process.

#include "experiments/program/plan/plan_rounds.hpp"

namespace shoal {

struct Measured {
  double seconds_per_flop = 0;      // of a client's whole way: training, stages, codec, sum
  double server_seconds = 0;        // of a round: closing the sum and the server's update
  double evaluation_seconds = 0;    // of one chunk of examples
  std::int64_t training_bytes = 0;  // that the process grew by

  /// Seconds of all rounds on `ranks` free cores: work divided evenly, messages for nothing.
  double run_seconds(const Process& process, const RoundsPlan& rounds, std::int64_t ranks) const;
};

/// Trains a block of clients of median work (fewer steps where one takes long), closes a round with it and evaluates
/// one chunk of a split; repeats for about `seconds` in all. Needs commits in `rounds.first`.
Measured measure(const Federation& parts, const RoundsPlan& rounds, Split evaluated, double seconds);

/// Memory of this process that is in use now.
std::int64_t resident_bytes();

}  // namespace shoal
