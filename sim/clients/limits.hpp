#pragma once
// What a user lets the device do: train only when charging, idle, on an unmetered network, now and then.

#include "sim/clients/periods.hpp"

namespace shoal {

/// What one client may spend on a day of its own local time; infinite where nothing is said. A participation counts on
/// the day on which it starts.
struct DailyQuota {
  double bytes, joules, seconds;

  bool any() const { return std::isfinite(bytes) || std::isfinite(joules) || std::isfinite(seconds); }
};

/// Limits under which a device takes part, each with a model of the state that it asks for; all off by default.
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
  /// at(who, time).on, for less: stops asking at the first "no".
  bool on(const Who& who, Ticks time) const;
  /// What depends on what the client did before, and is therefore not in `at`: World::may_start asks.
  const DailyQuota& quota() const { return quota_; }
  /// That a device must have, bytes.
  double memory() const { return memory_; }

  /// The states alone, whether they are asked for or not.
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
  double drain(const Who& who) const;                                     // of the full charge, per hour
  double discharged(const Who& who, std::int64_t day, Ticks time) const;  // level off the charger

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
