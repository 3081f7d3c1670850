#pragma once
// What clients have spent today: the one thing about them that is no pure function of (seed, client, time).

#include <map>
#include <string>

#include "sim/ids.hpp"

namespace shoal {

/// What a participation takes from its client.
struct Spending {
  double bytes = 0, joules = 0, seconds = 0;

  Spending& operator+=(const Spending& more) {
    bytes += more.bytes;
    joules += more.joules;
    seconds += more.seconds;
    return *this;
  }
};

/// Spendings of those clients that have taken part today, and of nobody else. The same on every rank, since it follows
/// from plans alone. Kept between rounds as bytes of the planner's state, which checkpoints hold.
class DailyUse {
 public:
  /// What `bytes()` gave; empty: nobody has spent anything.
  explicit DailyUse(const std::string& bytes = {});
  std::string bytes() const;

  /// What the client has spent on the day around `time`.
  Spending today(ClientId client, Ticks time) const;
  /// Adds to a day of the client that ends at `day_end`; an earlier day's spending is forgotten.
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
