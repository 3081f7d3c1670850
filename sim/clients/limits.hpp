#pragma once
// A user's limits on participation: only when charging, idle, on an unmetered network, in check-in windows, within
// quotas.

#include "sim/clients/periods.hpp"

namespace shoal {

/// Upper bounds of a client's spending on one day of its local time; infinite unless set. A participation counts on the
/// day on which it starts.
struct DailyQuota {
  double bytes, joules, seconds;

  bool any() const { return std::isfinite(bytes) || std::isfinite(joules) || std::isfinite(seconds); }
};

/// The limits under which a device takes part, each with a model of the state that it depends on; all off by default.
///
///     eligible = power AND idle AND unmetered AND checked in
///
/// States are drawn per client and local day, charging at night as in Bonawitz et al., MLSys 2019 (arXiv 1902.01046):
/// devices train when idle, charging and on an unmetered network. The defaults of the habits are assumptions.
class Limits {
 public:
  /// Reads [population.limits].
  Limits(const Settings& settings, std::uint64_t seed);

  bool any() const { return power_ != Power::any || idle_ || unmetered_ || check_in_every_ > Ticks{}; }
  Stretch at(const Who& who, Ticks time) const;
  /// The same as at(who, time).on, but cheaper: stops at the first limit that is not met.
  bool on(const Who& who, Ticks time) const;
  /// The daily quotas depend on what the client did before, so `at` leaves them out; World::may_start checks them.
  const DailyQuota& quota() const { return quota_; }
  /// Memory that a device must have, bytes; 0: any.
  double memory() const { return memory_; }

  /// The states themselves, whether or not a limit depends on them.
  Stretch charging(const Who& who, Ticks time) const { return plugged_.at(who, time); }
  Stretch idle(const Who& who, Ticks time) const;
  Stretch unmetered(const Who& who, Ticks time) const;
  /// Charge in [0, 1]: full at the end of each time on the charger, then falling at the client's rate to 0.05; on the
  /// charger rising at the charger's rate, or as fast as it takes to be full at the end.
  double battery(const Who& who, Ticks time) const;
  Stretch battery_at_least(double level, const Who& who, Ticks time) const;

 private:
  enum class Power { any, charging, charging_or_battery };
  Stretch check_in(const Who& who, Ticks time) const;
  double drain(const Who& who) const;                                     // share of a full charge per hour
  double discharged(const Who& who, std::int64_t day, Ticks time) const;  // charge while off the charger

  RandomKey network_key_, check_in_key_, battery_key_;
  Power power_;
  double battery_level_, drain_, charge_;
  bool idle_, unmetered_;
  double connected_;  // share of clients that ever have an unmetered network
  Ticks check_in_every_, check_in_for_;
  DailyQuota quota_;
  double memory_;
  Habit plugged_, asleep_, home_;
  Spells put_away_, hotspot_;
};

}  // namespace shoal
