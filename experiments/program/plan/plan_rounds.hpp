#pragma once
// All rounds of a cell without training: planners decide before anything is trained, so their plans can be summed up.

#include <vector>

#include "sim/round/process.hpp"

namespace shoal {

/// The decisions of the cell's own planner. Sums are over the `planned` rounds.
struct RoundsPlan {
  std::int64_t rounds = 0;   // rounds of the experiment
  std::int64_t planned = 0;  // rounds that were planned before the time was up
  std::int64_t started = 0, committed = 0, dropouts = 0, abandoned = 0;
  std::int64_t message_bytes = 0, update_bytes = 0;  // per client, down and up
  std::int64_t bytes_down = 0, bytes_up = 0;
  double flops = 0;                // work of the committed participations, which are those that are trained
  Ticks time{};                    // virtual time after the last planned round
  std::int64_t live_versions = 0;  // most model versions that were needed at one time
  double seconds = 0;              // processor time of planning

  std::vector<Participation> first;  // commits of the first round that had any, as of version 0

  /// A sum over the planned rounds, scaled to all rounds.
  double to_all_rounds(double sum) const;
};

/// Processor time of this process, which other processes on the machine do not lengthen.
double processor_seconds();

/// Plans `rounds` rounds, or as many as fit in about `seconds`, and at least one. Planners see a training loss of 0 for
/// every client, so decisions by feedback differ from those of the run. UserError when a planner cannot fill a round.
RoundsPlan plan_rounds(const Federation& parts, std::int64_t rounds, double seconds);

}  // namespace shoal
