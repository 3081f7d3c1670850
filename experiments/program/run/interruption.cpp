#include "experiments/program/run/interruption.hpp"

#include <algorithm>
#include <array>
#include <csignal>

namespace shoal {
namespace {

// Set by the signal handler.
volatile std::sig_atomic_t stop_requested = 0;

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int number) {
    // A second signal: whoever sends it does not want to wait for the end of the round.
    if (stop_requested != 0) {
      std::signal(number, SIG_DFL);
      std::raise(number);
    }
    stop_requested = 1;
  };
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

Interruption::Interruption(WallLimits limits)
    : limits_(limits), last_save_(std::chrono::steady_clock::now()), last_call_(last_save_) {}

Action Interruption::next(Communicator& comm) {
  const auto now = std::chrono::steady_clock::now();
  longest_round_ = std::max(longest_round_, seconds_between(last_call_, now));
  last_call_ = now;
  // Time for one more round, as much again for the checkpoint, and for the run file: stopping early is better than
  // being killed.
  const double end = seconds_between(limits_.start, now) + 2 * longest_round_ + reserved_ + 1;
  const bool late = limits_.stop_after > 0 && end > limits_.stop_after;
  std::array<std::int64_t, 2> votes = {stop_requested != 0 || late ? 1 : 0,
                                       seconds_between(last_save_, now) >= limits_.checkpoint_every ? 1 : 0};
  comm.sum(votes);
  if (votes[0] > 0) return Action::save_and_stop;
  if (votes[1] == 0) return Action::proceed;
  last_save_ = now;
  return Action::save;
}

}  // namespace shoal
