#pragma once
// All rounds of a cell without training: planners decide before anything is trained, so their plans can be counted.

#include <vector>

#include "sim/round/process.hpp"

namespace shoal {

/// What the real planner decided, round by round. Sums are over the `planned` rounds.
struct RoundsPlan {
  std::int64_t rounds = 0;   // of the experiment
  std::int64_t planned = 0;  // fewer where the time was up
  std::int64_t started = 0, committed = 0, dropouts = 0, abandoned = 0;
  std::int64_t message_bytes = 0, update_bytes = 0;  // of one client, down and up
  std::int64_t bytes_down = 0, bytes_up = 0;
  double flops = 0;                // of the committed participations, which are the ones that are trained
  Ticks time{};                    // after the last planned round
  std::int64_t live_versions = 0;  // most model versions that were needed at a time
  double seconds = 0;              // of processor time that planning took

  std::vector<Participation> first;  // commits of the first round that had any, of version 0

  /// A sum over the planned rounds, stretched to all rounds.
  double to_all_rounds(double sum) const;
};

/// Processor time of this process: what others run on the machine does not lengthen it.
double processor_seconds();

/// Walks through `rounds` rounds for at most about `seconds` (always one round). Planners see no losses of clients:
/// what they decide by feedback differs from the run. UserError where a planner cannot fill a round.
RoundsPlan plan_rounds(const Federation& parts, std::int64_t rounds, double seconds);

}  // namespace shoal
