#pragma once
// When a client can take part: a pure function of (seed, client, time), so that no population is ever a table.

#include <limits>
#include <string>

#include "sim/ids.hpp"
#include "sim/random.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// Later than everything that happens.
constexpr Ticks never{std::numeric_limits<std::int64_t>::max()};
constexpr Ticks second{1'000'000};
constexpr Ticks hour{3'600 * value(second)};
constexpr Ticks day{24 * value(hour)};

/// Of whom availability is asked.
struct Who {
  ClientId client{};
  Ticks utc_offset{};  // to be added to virtual time for the client's local time; virtual time 0 is midnight UTC

  Ticks local(Ticks time) const { return time + utc_offset; }
  /// The client's draws under `key`; `index` counts periods, days or whatever has draws of its own.
  RandomStream draws(RandomKey key, std::int64_t index = 0) const { return {key, value(client), index}; }
};

/// A state that holds from the instant it was asked for until, but not at, `until`; what comes then may be the same.
struct Stretch {
  bool on = true;
  Ticks until = never;
};

/// Both at once: on while both are.
inline Stretch both(Stretch a, Stretch b) {
  if (a.on && b.on) return {true, std::min(a.until, b.until)};
  if (!a.on && !b.on) return {false, std::max(a.until, b.until)};
  return a.on ? b : a;
}

struct MappedTrace;
/// Maps a trace file (datasets/traces/trace.hpp). Whoever makes a population hands one in: this room does not know the
/// format.
using TraceReader = MappedTrace (*)(const std::string& path);

/// What a form of availability or of devices gets once, before anything is asked.
struct Opening {
  std::int64_t clients;
  std::uint64_t seed;
  TraceReader read_trace;
};

/// A form of availability; a part of sim/clients/availability.
class Availability {
 public:
  virtual ~Availability() = default;
  /// Reads the files that this form needs and makes the keys of its draws; UserError when it cannot serve a population
  /// of that many clients.
  virtual void open(const Opening&) {}
  /// Whether the client is available at `time` >= 0, and until when at least that stays so: `until` > `time`. Depends
  /// on nothing but its arguments, so that asking in any order gives the same answers.
  virtual Stretch at(const Who& who, Ticks time) const = 0;
};

template <>
std::span<const Part<Availability>> parts<Availability>();  // generated from sim/clients/availability

}  // namespace shoal
