#pragma once
// A rank's connection to the process that started it by `shoal run --ranks N` (starter.hpp).

#include <condition_variable>
#include <mutex>
#include <thread>

namespace shoal {

/// The environment variable with the starter's address. A rank on another machine cannot reach it.
inline constexpr const char* starter_variable = "SHOAL_STARTER";
/// The seconds without a beat after which the starter names a rank (60 by default), for tests.
inline constexpr const char* silence_variable = "SHOAL_SILENCE";

/// Seconds that the starter waits for a beat. UserError if the environment demands no positive number.
double silence_limit();

/// The bytes that a rank sends: its number as an int, then bytes.
enum class Beat : char { alive = '.', done = 'd', failed = 'f' };

/// Opens a local socket for the starter, at an address of its own, which it notes in the environment. SystemError.
int open_starter_socket();

/// While it lives, a thread that uses no MPI sends the starter beats: they stop when the process stands still or dies,
/// not while it waits for others. When the starter dies, the thread asks the rank to save and stop. Without a starter
/// that can be reached it does nothing.
class StarterLink {
 public:
  explicit StarterLink(int rank);
  ~StarterLink();
  StarterLink(const StarterLink&) = delete;

  /// The last word: this rank ends, and has said why if it fails.
  void end(int exit_code);

 private:
  void beat();

  int stream_ = -1;
  double pause_;  // seconds between beats
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace shoal
