#include "experiments/program/run/interruption.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>

namespace shoal {
namespace {

// Set by the signal handler, or by another thread.
std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers may not wait");

void take_signal(int number) {
  // A second signal: whoever sends it does not want to wait for the end of the round.
  if (stop_requested.exchange(true)) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void on_stop_signals(void (*handler)(int)) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
}

void catch_signals() { on_stop_signals(take_signal); }

void request_stop() { stop_requested = true; }

Interruption::Interruption(WallLimits limits, StopLetters* letters)
    : limits_(limits), letters_(letters), last_save_(std::chrono::steady_clock::now()), last_call_(last_save_) {}

Action Interruption::next(Communicator& comm) {
  const auto now = std::chrono::steady_clock::now();
  longest_round_ = std::max(longest_round_, seconds_between(last_call_, now));
  last_call_ = now;
  // Time for one more round, as much again for the checkpoint, and for the run file: stopping early is better than
  // being killed.
  const double end = seconds_between(limits_.start, now) + 2 * longest_round_ + reserved_ + 1;
  const bool late = limits_.stop_after > 0 && end > limits_.stop_after;
  const bool told = stop_requested || (letters_ != nullptr && letters_->arrived());
  std::array<std::int64_t, 3> votes = {told ? 1 : 0, late ? 1 : 0,
                                       seconds_between(last_save_, now) >= limits_.checkpoint_every ? 1 : 0};
  comm.sum(votes);
  // A signal may have reached one rank only. Time needs no letters: every group has the same limit.
  if (votes[0] > 0 && letters_ != nullptr) letters_->send();
  if (votes[0] + votes[1] > 0) return Action::save_and_stop;
  if (votes[2] == 0) return Action::proceed;
  last_save_ = now;
  return Action::save;
}

}  // namespace shoal
