#include "sim/clients/population.hpp"

namespace shoal {
namespace {

Device read_base(const Settings& s) {
  Device base;
  const auto rate = [&](const char* key, double fallback, const char* meaning) {
    return s.number(key, fallback, meaning, between(1e-9, 1e12));
  };
  base.flops_per_second = 1e9 * rate("gflops", 1, "median training speed of a device, 10^9 operations per second");
  base.down_bytes_per_second = 1e6 * rate("down_mbytes", 4, "download bandwidth, 10^6 bytes per second");
  base.up_bytes_per_second = 1e6 * rate("up_mbytes", 1, "upload bandwidth, 10^6 bytes per second");
  const double memory =
      s.number("memory_mbytes", 0, "10^6 bytes of memory that a task may take; 0: no limit", at_least(0));
  if (memory > 0) base.memory_bytes = 1e6 * memory;
  base.training_watts = rate("training_watts", 3, "power while training, watts: for the energy proxy");
  base.radio_watts = rate("radio_watts", 1, "power while downloading or uploading, watts: for the energy proxy");
  return base;
}

Offline read_offline(const Settings& s) {
  return s.choice("offline", Offline::abort,
                  {{"abort", Offline::abort}, {"pause", Offline::pause}, {"check_at_end", Offline::check_at_end}},
                  "a client that goes offline during a participation drops out at once, pauses until it is back, or "
                  "drops out only if it is offline at the end");
}

// A normal draw, but at least a tenth of the mean, so that every transfer ends.
double bandwidth(double mean, double deviation, RandomStream& random) {
  return std::max(mean / 10, mean + deviation * random.normal());
}

}  // namespace

Population::Population(const Settings& settings, std::uint64_t seed, std::int64_t size,
                       std::shared_ptr<const Devices> devices, std::shared_ptr<const Availability> availability)
    : size_(size),
      seed_(seed),
      speed_key_(random_key(seed, "clients/speed")),
      bandwidth_key_(random_key(seed, "clients/bandwidth")),
      chance_key_(random_key(seed, "clients/dropout")),
      base_(read_base(settings)),
      speed_sigma_(settings.number("speed_sigma", 0.0,
                                   "spread of device speeds: sigma of a log-normal factor with median 1", at_least(0))),
      devices_(std::move(devices)),
      regions_(settings.section("regions"), seed),
      availability_(std::move(availability)),
      limits_(settings.section("limits"), seed),
      consent_(settings.section("consent"), seed),
      offline_(read_offline(settings)),
      dropouts_(settings.numbers("dropouts", {},
                                 "probabilities of dropping out in download, training, upload (and further phases of "
                                 "a protocol), each for a client that has reached the phase",
                                 between(0, 1))),
      partial_(settings.section("partial")) {}

Device Population::device(ClientId client) const {
  Device base = base_;
  if (speed_sigma_ > 0) {
    base.flops_per_second *= std::exp(speed_sigma_ * bare(client).draws(speed_key_).normal());
  }
  return devices_->device(bare(client), base);
}

Device Population::device(ClientId client, ParticipationId id) const {
  Device device = this->device(client);
  if (device.down_deviation == 0 && device.up_deviation == 0) return device;
  RandomStream random(bandwidth_key_, value(client), value(id));
  device.down_bytes_per_second = bandwidth(device.down_bytes_per_second, device.down_deviation, random);
  device.up_bytes_per_second = bandwidth(device.up_bytes_per_second, device.up_deviation, random);
  return device;
}

Stretch Population::stretch(ClientId client, Ticks time) const {
  const Who who = regions_.in_region(bare(client));
  Stretch all;
  if (!has_memory(client)) return {false, never};
  // The cheapest first; once the client is off, the others are not asked.
  if (consent_.any()) all = both(all, consent_.at(who, time));
  if (all.on && regions_.have_outages()) all = both(all, regions_.at(who, time));
  if (all.on) all = both(all, availability_->at(who, time));
  if (all.on && limits_.any()) all = both(all, limits_.at(who, time));
  return all;
}

bool Population::available(ClientId client, Ticks time) const {
  const Who who = regions_.in_region(bare(client));
  // Ordered by the cost of an answer and by how often it is "no".
  if (regions_.have_outages() && !regions_.at(who, time).on) return false;
  if (!availability_->at(who, time).on) return false;
  if (consent_.any() && !consent_.at(who, time).on) return false;
  return (!limits_.any() || limits_.on(who, time)) && has_memory(client);
}

bool Population::is_always_available() const {
  return availability_->is_always() && !consent_.any() && !regions_.have_outages() && !limits_.any() &&
         !limits_.quota().any() && limits_.memory() == 0;
}

Ticks Population::end_of_day(ClientId client, Ticks time) const {
  const Who who = regions_.in_region(bare(client));
  const std::int64_t local = value(who.local(time)), whole = value(day);
  return time + Ticks{whole - (local % whole + whole) % whole};
}

}  // namespace shoal
