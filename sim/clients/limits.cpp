#include "sim/clients/limits.hpp"

namespace shoal {
namespace {

constexpr double emptiest = 0.05;         // charge at which a device shuts down or is plugged in somewhere
constexpr std::int64_t nights_back = 30;  // nights searched for the last time on the charger

// A limit of 0 means no limit.
double or_none(double limit) { return limit > 0 ? limit : std::numeric_limits<double>::infinity(); }

double hours(Ticks time) { return seconds(time) / 3600; }

// The disjunction: on while either is on.
Stretch either(Stretch a, Stretch b) {
  if (a.on && b.on) return {true, std::max(a.until, b.until)};
  if (!a.on && !b.on) return {false, std::min(a.until, b.until)};
  return a.on ? a : b;
}

}  // namespace

Limits::Limits(const Settings& s, std::uint64_t seed)
    : network_key_(random_key(seed, "clients/unmetered")),
      check_in_key_(random_key(seed, "clients/check_in")),
      battery_key_(random_key(seed, "clients/battery")),
      battery_level_(
          s.number("battery", 0.8, "charge that suffices with power = \"charging_or_battery\"", between(emptiest, 1))),
      drain_(s.number("battery_drain", 0.05,
                      "share of a full charge that an hour off the charger uses, median over devices",
                      between(1e-3, 10))),
      charge_(s.number("battery_charge", 0.5, "share of a full charge that an hour on the charger adds",
                       between(1e-3, 100))),
      idle_(s.flag("idle", false, "take part only when the device is not in use")),
      unmetered_(s.flag("unmetered", false, "take part only on an unmetered network")),
      connected_(s.number("connected", 1, "share of clients that ever have an unmetered network", between(0, 1))),
      check_in_every_(ticks(3600 * s.number("check_in_every", 0,
                                            "hours from one check-in window to the next: a client may start only "
                                            "inside a window and rests in between; 0: at any time",
                                            between(0, 8760)))),
      check_in_for_(
          ticks(3600 * s.number("check_in_for", 1, "length of a check-in window, hours", between(1e-3, 8760)))),
      quota_{.bytes = 1e6 * or_none(s.number(
                                "daily_mbytes", 0,
                                "10^6 bytes that a client may transfer in a day, down and up together; 0: no limit",
                                at_least(0))),
             .joules = or_none(s.number("daily_joules", 0,
                                        "joules that a client may use in a day, by the energy proxy; 0: no limit",
                                        at_least(0))),
             .seconds = or_none(
                 s.number("daily_seconds", 0, "seconds that a client may work in a day; 0: no limit", at_least(0)))},
      memory_(1e6 * s.number("memory_mbytes", 0,
                             "10^6 bytes of memory that the task needs: a device with less never takes part",
                             at_least(0))),
      plugged_{
          .key = random_key(seed, "clients/charging"),
          .begins =
              s.number("charging_hour", 22.5, "local hour at which a device is plugged in, mean", between(12, 35)) - 12,
          .lasts = s.number("charging_hours", 8, "hours on the charger, mean", between(0.5, 24)),
          .share = s.number("charging_nights", 0.8, "share of nights on the charger, mean over clients", between(0, 1)),
          .spread = s.number("charging_spread", 0.2, "each client's share of nights is uniform within +- this",
                             between(0, 1))},
      asleep_{
          .key = random_key(seed, "clients/sleep"),
          .begins = s.number("sleep_hour", 23, "local hour from which a device lies idle for the night, mean",
                             between(12, 35)) -
                    12,
          .lasts = s.number("sleep_hours", 7.5, "hours that a device lies idle for the night, mean", between(0.5, 24))},
      home_{.key = random_key(seed, "clients/at_home"),
            .begins = s.number("home_hour", 18.5, "local hour from which a device is on its home network, mean",
                               between(12, 35)) -
                      12,
            .lasts =
                s.number("home_hours", 13.5, "hours that a device stays on its home network, mean", between(0.5, 24))},
      put_away_{random_key(seed, "clients/in_use"), ticks(600),
                s.number("idle_share", 0.6, "share of ten-minute periods of the day in which a device lies idle",
                         between(0, 1))},
      hotspot_{random_key(seed, "clients/hotspot"), hour,
               s.number("hotspot_share", 0.3, "share of hours away from home on an unmetered network", between(0, 1))} {
  power_ = s.choice(
      "power", Power::any,
      {{"any", Power::any}, {"charging", Power::charging}, {"charging_or_battery", Power::charging_or_battery}},
      "take part on any power, only when charging, or also with enough 'battery'");
  if (check_in_every_ > Ticks{} && check_in_for_ > check_in_every_) {
    user_error("{}: check-in windows of {} h that begin every {} h overlap. Lower 'check_in_for'.", s.where(),
               hours(check_in_for_), hours(check_in_every_));
  }
}

Stretch Limits::at(const Who& who, Ticks time) const {
  Stretch all;
  if (power_ == Power::charging) all = charging(who, time);
  if (power_ == Power::charging_or_battery) {
    all = either(charging(who, time), battery_at_least(battery_level_, who, time));
  }
  if (unmetered_) all = both(all, unmetered(who, time));
  if (idle_) all = both(all, idle(who, time));
  if (check_in_every_ > Ticks{}) all = both(all, check_in(who, time));
  return all;
}

bool Limits::on(const Who& who, Ticks time) const {
  // Ordered by the cost of an answer and by how often it is "no".
  if (check_in_every_ > Ticks{} && !check_in(who, time).on) return false;
  if (power_ != Power::any && !charging(who, time).on) {
    if (power_ == Power::charging || !battery_at_least(battery_level_, who, time).on) return false;
  }
  if (unmetered_) {
    if (connected_ < 1 && who.draws(network_key_).uniform() >= connected_) return false;
    if (!hotspot_.at(who, time).on && !home_.at(who, time).on) return false;
  }
  return !idle_ || put_away_.at(who, time).on || asleep_.at(who, time).on;
}

Stretch Limits::idle(const Who& who, Ticks time) const {
  return either(asleep_.at(who, time), put_away_.at(who, time));
}

Stretch Limits::unmetered(const Who& who, Ticks time) const {
  if (who.draws(network_key_).uniform() >= connected_) return {false, never};
  return either(home_.at(who, time), hotspot_.at(who, time));
}

Stretch Limits::check_in(const Who& who, Ticks time) const {
  const Ticks end = period_of(who, check_in_key_, check_in_every_, time).end;
  const Ticks closes = end - check_in_every_ + check_in_for_;
  return time < closes ? Stretch{true, closes} : Stretch{false, end};
}

double Limits::drain(const Who& who) const { return drain_ * std::exp(0.3 * who.draws(battery_key_).normal()); }

double Limits::discharged(const Who& who, std::int64_t day, Ticks time) const {
  for (std::int64_t back = 0; back <= std::min(nights_back, day); ++back) {
    const Habit::Window window = plugged_.window(who, day - back);
    if (window.end > time || window.begin == window.end) continue;
    return std::max(emptiest, 1 - drain(who) * hours(time - window.end));
  }
  return emptiest;
}

double Limits::battery(const Who& who, Ticks time) const {
  const std::int64_t today = Habit::number(who, time);
  const Habit::Window window = plugged_.window(who, today);
  if (!window.contains(time)) return discharged(who, today, time);
  const double first = discharged(who, today, window.begin);
  const double rate = std::max(charge_, (1 - first) / hours(window.end - window.begin));
  return std::min(1.0, first + rate * hours(time - window.begin));
}

Stretch Limits::battery_at_least(double level, const Who& who, Ticks time) const {
  const std::int64_t today = Habit::number(who, time);
  const Habit::Window window = plugged_.window(who, today);
  const double now = battery(who, time);
  if (window.contains(time)) {
    if (now >= level) return {true, window.end};
    const double first = discharged(who, today, window.begin);
    const double rate = std::max(charge_, (1 - first) / hours(window.end - window.begin));
    const Ticks crosses = window.begin + ticks(3600 * (level - first) / rate);
    return {false, std::clamp(crosses, time + Ticks{1}, window.end)};
  }
  const Ticks next = time < window.begin ? window.begin : Habit::noon_of(who, today + 1);
  if (now < level || level <= emptiest) return {now >= level, next};
  return {true, std::clamp(time + ticks(3600 * (now - level) / drain(who)), time + Ticks{1}, next)};
}

}  // namespace shoal
