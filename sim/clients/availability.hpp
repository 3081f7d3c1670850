#pragma once
// When a client can take part: a pure function of (seed, client, time), so that a population is never a table.

#include <limits>

#include "sim/ids.hpp"
#include "sim/random.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// A time after every event.
constexpr Ticks never{std::numeric_limits<std::int64_t>::max()};
constexpr Ticks second{1'000'000};
constexpr Ticks hour{3'600 * value(second)};
constexpr Ticks day{24 * value(hour)};

/// The client whose device or availability is asked for.
struct Who {
  ClientId client{};
  Ticks utc_offset{};  // local time minus virtual time; virtual time 0 is midnight UTC

  Ticks local(Ticks time) const { return time + utc_offset; }
  /// The client's draws under `key`; `index` numbers periods, days or whatever else has draws of its own.
  RandomStream draws(RandomKey key, std::int64_t index = 0) const { return {key, value(client), index}; }
};

/// A state that holds from the instant asked about up to, but not at, `until`; the next state may be the same.
struct Stretch {
  bool on = true;
  Ticks until = never;
};

/// The conjunction: on while both are on.
inline Stretch both(Stretch a, Stretch b) {
  if (a.on && b.on) return {true, std::min(a.until, b.until)};
  if (!a.on && !b.on) return {false, std::max(a.until, b.until)};
  return a.on ? b : a;
}

/// The population that a form of availability or of devices will serve; handed over once, before the first question.
struct Opening {
  std::int64_t clients;
  std::uint64_t seed;
};

/// A form of availability. The parts are files in datasets/availability.
class Availability {
 public:
  virtual ~Availability() = default;
  /// Reads the files that this form needs and makes the keys of its draws; UserError if it cannot serve a population of
  /// that many clients.
  virtual void open(const Opening&) {}
  /// Whether the client is available at `time` >= 0, and until when at least that stays so: `until` > `time`. Depends
  /// on nothing but its arguments, so that asking in any order gives the same answers.
  virtual Stretch at(const Who& who, Ticks time) const = 0;
  /// Whether every client is available at any time.
  virtual bool is_always() const { return false; }
};

template <>
std::span<const Part<Availability>> parts<Availability>();  // generated from datasets/availability

}  // namespace shoal
