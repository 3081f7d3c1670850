#pragma once
// When a running cell should save itself, and when it should stop.

#include <chrono>

#include "experiments/program/run/stop_letters.hpp"
#include "sim/comm/communicator.hpp"

namespace shoal {

/// Lets `handler` take the signals by which users and schedulers end programs: SIGINT, SIGTERM, SIGHUP and SIGUSR1. One
/// that this process was told to ignore stays ignored, as nohup wants.
void on_stop_signals(void (*handler)(int));

/// From now on these signals do not end the process but ask it to save and stop (`Interruption::next`) after the
/// current round. A second signal ends it at once.
void catch_signals();

/// Asks for the same from within the process; from any thread.
void request_stop();

/// Limits that the user set, in seconds of wall time.
struct WallLimits {
  double checkpoint_every = 60;
  double stop_after = 0;                                                           // counted from `start`; 0: never
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();  // when the program started
};

enum class Action { proceed, save, save_and_stop };

/// One group's clock. Wall time decides when to save, never what is computed.
class Interruption {
 public:
  /// `letters` reach the other groups; null if there are none.
  explicit Interruption(WallLimits limits, StopLetters* letters = nullptr);

  /// Call it after each round and before a cell. Collective: all ranks of the group get the same answer, though clocks
  /// and signals differ.
  Action next(Communicator& comm);

  /// Time that is needed after the last round, to be kept within the limit.
  void reserve(double seconds) { reserved_ = seconds; }

 private:
  WallLimits limits_;
  StopLetters* letters_;
  std::chrono::steady_clock::time_point last_save_, last_call_;
  double longest_round_ = 0, reserved_ = 0;
};

}  // namespace shoal
