#pragma once
// When a running cell should save itself, and when it should stop.

#include <chrono>

#include "sim/comm/communicator.hpp"

namespace shoal {

/// From now on SIGUSR1 and SIGTERM do not end the process but ask it to save and stop (`Interruption::next`).
void catch_signals();

/// Limits that the user set, in seconds of wall time.
struct WallLimits {
  double checkpoint_every = 60;
  double stop_after = 0;  // since the program started; 0: never
};

enum class Action { go_on, save, save_and_stop };

/// One group's clock. Wall time decides when to save, never what is computed.
class Interruption {
 public:
  Interruption(WallLimits limits, std::chrono::steady_clock::time_point program_start);

  /// After each round. Collective: all ranks of the group get the same answer, though clocks and signals differ.
  Action next(Communicator& comm);

 private:
  WallLimits limits_;
  std::chrono::steady_clock::time_point program_start_, last_save_, last_call_;
  double longest_round_ = 0;
};

}  // namespace shoal
