#pragma once
// Time cut into equal periods, and days with one window each, for the draws of random habits.

#include <algorithm>
#include <cmath>

#include "sim/clients/availability.hpp"

namespace shoal {

/// The period that contains an instant: `index` >= 1 for its draws, and the instant at which it ends.
struct Period {
  std::int64_t index;
  Ticks end;
};

/// The client's period of `length` that contains `time`. Periods begin at an offset of each client's own, drawn with
/// index 0 of `key`, so that the clients do not all change at once.
inline Period period_of(const Who& who, RandomKey key, Ticks length, Ticks time) {
  const std::int64_t phase = who.draws(key).below(value(length));
  const std::int64_t index = 1 + (value(time) + phase) / value(length);
  return {index, Ticks{index * value(length) - phase}};
}

/// A state that is on with a fixed probability in each period.
struct Spells {
  RandomKey key{};
  Ticks length;
  double probability;

  Stretch at(const Who& who, Ticks time) const {
    const Period now = period_of(who, key, length, time);
    return {who.draws(key, now.index).uniform() < probability, now.end};
  }
};

/// A habit: one window between each local noon and the next, on some days only. Begin and length are normal, with one
/// deviation of the client and one of the day; the window stays inside its noon-to-noon day.
struct Habit {
  RandomKey key;
  double begins;                  // hours after noon, mean
  double lasts;                   // hours, mean
  double between = 1, daily = 1;  // standard deviations of both, hours: between clients, and between a client's days
  double share = 1;               // share of days that have the window, mean over clients
  double spread = 0;              // each client's share is uniform within +- this of the mean, clamped to [0, 1]

  /// The window of day `number` in virtual time; empty (begin = end) on a day without one.
  struct Window {
    Ticks begin, end;
    bool contains(Ticks time) const { return begin <= time && time < end; }
  };
  Window window(const Who& who, std::int64_t number) const {
    RandomStream own = who.draws(key), today = who.draws(key, number + 1);
    const double usual = std::clamp(share + spread * (2 * own.uniform() - 1), 0.0, 1.0);
    const double from = begins + between * own.normal() + daily * today.normal();
    const double length = lasts + between * own.normal() + daily * today.normal();
    const double begin = std::clamp(from, 0.0, 23.0), end = std::clamp(begin + length, begin + 0.5, 24.0);
    const Ticks noon = noon_of(who, number);
    if (today.uniform() >= usual) return {noon, noon};
    return {noon + ticks(3600 * begin), noon + ticks(3600 * end)};
  }
  /// Number of the noon-to-noon day that contains `time`; day 0 begins at noon before the local midnight that opens the
  /// first day.
  static std::int64_t number(const Who& who, Ticks time) {
    // Local time may be behind UTC: a day is added so that no quotient is negative.
    return (value(who.local(time)) + value(day) + value(day) / 2) / value(day);
  }
  static Ticks noon_of(const Who& who, std::int64_t number) {
    return Ticks{number * value(day) - value(day) - value(day) / 2 - value(who.utc_offset)};
  }
  /// On inside the day's window.
  Stretch at(const Who& who, Ticks time) const {
    const std::int64_t today = number(who, time);
    const Window found = window(who, today);
    if (found.contains(time)) return {true, found.end};
    return {false, time < found.begin ? found.begin : noon_of(who, today + 1)};
  }
};

}  // namespace shoal
