#pragma once
// The spending of clients today: the one thing about them that is not a pure function of (seed, client, time).

#include <map>
#include <string>

#include "sim/ids.hpp"

namespace shoal {

/// Resources that one participation takes from its client.
struct Spending {
  double bytes = 0, joules = 0, seconds = 0;

  Spending& operator+=(const Spending& more) {
    bytes += more.bytes;
    joules += more.joules;
    seconds += more.seconds;
    return *this;
  }
};

/// The spending of the clients that have taken part today; the others are not listed. The same on every rank, since it
/// follows from plans alone. Kept between rounds as bytes in the planner's state, which checkpoints hold.
class DailyUse {
 public:
  /// From a result of `bytes()`; empty if no client has spent anything.
  explicit DailyUse(const std::string& bytes = {});
  std::string bytes() const;

  /// The client's spending on the day that contains `time`.
  Spending today(ClientId client, Ticks time) const;
  /// Adds to the client's day that ends at `day_end`; an earlier day's spending is forgotten.
  void add(ClientId client, Ticks day_end, const Spending& spent);
  /// Forgets days that are over at `time`.
  void forget(Ticks time);

 private:
  struct Day {
    Ticks end{};
    Spending spent;
  };
  std::map<ClientId, Day> days_;
};

}  // namespace shoal
