#include "sim/clients/population.hpp"

namespace shoal {

Population::Population(const Settings& settings, std::uint64_t seed, std::int64_t size)
    : size_(size),
      seed_(seed),
      key_(random_key(seed, Purpose::device_traits)),
      speed_(settings.number("gflops", 1.0, "median training speed of a device, 10^9 operations per second",
                             between(1e-9, 1e12)) *
             1e9),
      speed_sigma_(settings.number("speed_sigma", 0.0,
                                   "spread of device speeds: sigma of a log-normal factor with median 1", at_least(0))),
      down_(settings.number("down_mbytes", 4.0, "download bandwidth, 10^6 bytes per second", between(1e-9, 1e12)) *
            1e6),
      up_(settings.number("up_mbytes", 1.0, "upload bandwidth, 10^6 bytes per second", between(1e-9, 1e12)) * 1e6),
      availability_(make_part<Availability>("form of availability", "always", settings.section("availability"))) {
  availability_->check(size);
}

Device Population::device(ClientId client) const {
  double speed = speed_;
  if (speed_sigma_ > 0) speed *= std::exp(speed_sigma_ * RandomStream(key_, value(client)).normal());
  return {speed, down_, up_};
}

Stretch Population::stretch(ClientId client, Ticks time) const {
  return availability_->at({.seed = seed_, .client = client}, time);
}

}  // namespace shoal
