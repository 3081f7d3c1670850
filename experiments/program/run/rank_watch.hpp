#pragma once
// The starter's side of the connections to its ranks (starter_link.hpp).

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace shoal {

/// Knows of each rank on this machine whether it lives, stands still or has died, and sends it signals. Ranks on other
/// machines cannot connect; of them it knows nothing, and a stop reaches them through the others.
class RankWatch {
 public:
  /// Opens the socket, whose address the ranks find in the environment. UserError, SystemError.
  explicit RankWatch(int ranks);
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;

  void wait_on(std::vector<pollfd>& waiting) const;
  /// Takes all that has arrived.
  void listen();
  /// A line on stderr for each rank that has not answered for too long, and for each that answers again.
  void name_the_silent();

  /// Asks the ranks to save and stop: those that are connected, and the others as soon as they are.
  void stop();
  void kill();

  /// "rank 1 of 3 (process 4711)", if it was the first to disappear, before any rank had told of an error.
  const std::string& first_dead() const { return first_dead_; }
  /// Whether a rank has ended with an error of which it told the user.
  bool has_failed() const { return has_failed_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Rank {
    int stream = -1;
    pid_t process = 0;
    std::string number;  // the bytes of an int
    Clock::time_point last_beat;
    bool is_silent = false, has_ended = false;
  };
  void admit();
  void hear(Rank& rank);
  std::string name(const Rank& rank) const;

  int count_, listener_;
  double patience_;  // seconds
  std::vector<Rank> ranks_;
  std::string first_dead_;
  bool is_stopping_ = false, has_failed_ = false;
};

}  // namespace shoal
