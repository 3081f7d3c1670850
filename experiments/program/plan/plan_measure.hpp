#pragma once
// Measures how fast this machine is at a cell's work: one piece of each kind of work, in this process.

#include <functional>

#include "experiments/program/plan/plan_rounds.hpp"

namespace shoal {

/// The cost of training on one core, as a straight line over the work.
struct TrainingCost {
  double fixed_seconds = 0;     // whatever the work: download, memory, stages, codec, sum
  double seconds_per_flop = 0;  // local steps
};

/// The line through two measured times. If they show no fixed part, the line through the longer one and zero.
TrainingCost fit_cost(double short_flops, double short_seconds, double long_flops, double long_seconds);

/// A piece of training: its work, and how long it took.
struct TimedTraining {
  double flops = 0, seconds = 0;
};

/// Trains the same clients for a share of their work, at least one step.
using TrainShare = std::function<TimedTraining(double share)>;

/// Finds the line with calls of `train` that take about `seconds` in all. The first call does not count: it makes
/// buffers and loads libraries, which a run does once. Then a single step and several are timed, or the single step
/// alone where it is slow.
TrainingCost measure_training(const TrainShare& train, double full_flops, double seconds);

struct Measured {
  TrainingCost client;            // per client, from its message to the sum
  double server_seconds = 0;      // per round: the server's own update for rules, finishing the sum, the server's step
  double evaluation_seconds = 0;  // per chunk of examples
  double personal_seconds = 0;    // per evaluation of the models that clients use
  std::int64_t training_bytes = 0;  // growth of the process during the measurement

  /// Predicted seconds of all rounds on `ranks` free cores, with evenly divided work and free communication.
  double run_seconds(const Process& process, const RoundsPlan& rounds, std::int64_t ranks) const;
};

/// Trains a block of clients of median work at two lengths, a few times each (measure_training). Then finishes a round
/// with it and evaluates one chunk of a set of examples.
/// Takes about `seconds` in all. Needs commits in `rounds.first`.
/// `personal_clients`: number of clients whose own models are evaluated too; some of them are timed.
Measured measure(const Federation& parts, const RoundsPlan& rounds, std::string_view evaluated, double seconds,
                 std::int64_t personal_clients = 0);

/// Resident memory of this process.
std::int64_t resident_bytes();

}  // namespace shoal
