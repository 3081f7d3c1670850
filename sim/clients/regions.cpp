#include "sim/clients/regions.hpp"

namespace shoal {
namespace {

std::vector<Ticks> to_ticks(const std::vector<double>& hours) {
  std::vector<Ticks> times;
  for (const double h : hours) times.push_back(ticks(3600 * h));
  return times;
}

}  // namespace

Regions::Regions(const Settings& s, std::uint64_t seed)
    : key_(random_key(seed, "clients/region")),
      outage_key_(random_key(seed, "clients/outage")),
      offsets_(to_ticks(s.numbers("zones", {0}, "local time of each region minus UTC, hours", between(-12, 14)))),
      shares_(s, "shares", offsets_.size(), "share of the clients in each region; empty: equal"),
      outage_(s.number("outage", 0, "probability that a region is cut off in a period, with all of its clients",
                       between(0, 1))),
      period_(ticks(s.number("outage_period", 3600, "length of an outage period, seconds", between(1, 1e9)))) {}

Stretch Regions::at(const Who& who, Ticks time) const {
  const std::int64_t index = value(time) / value(period_);
  // One draw per region and period: the region's number takes the place of the client's.
  RandomStream random(outage_key_, region(who), index);
  return {random.uniform() >= outage_, Ticks{(index + 1) * value(period_)}};
}

}  // namespace shoal
