#pragma once
// The clients of an experiment, computed one by one when asked for: ten million clients cost nothing until then.

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/clients/availability.hpp"
#include "sim/clients/consent.hpp"
#include "sim/clients/devices.hpp"
#include "sim/clients/limits.hpp"
#include "sim/clients/partial_work.hpp"
#include "sim/clients/regions.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// The consequence for a participation during which the client goes offline. Simulators differ silently here, and so do
/// their results.
enum class Offline {
  abort,         // it drops out at that instant (Bonawitz et al., MLSys 2019)
  pause,         // it pauses until the client is back (FLASH: Yang et al., WWW 2021)
  check_at_end,  // it drops out at its end, unless the client is available then (FedScale: Lai et al., ICML 2022)
};

/// The clients, their devices and their availability: pure functions of (seed, client, time).
class Population {
 public:
  /// Reads [population] and the sections below it, except those of the two parts, which must have been opened for the
  /// same number of clients and the same seed.
  Population(const Settings& settings, std::uint64_t seed, std::int64_t size, std::shared_ptr<const Devices> devices,
             std::shared_ptr<const Availability> availability);

  std::int64_t size() const { return size_; }
  std::uint64_t seed() const { return seed_; }

  /// The client's device at its median.
  Device device(ClientId client) const;
  /// The same with the bandwidths of one participation.
  Device device(ClientId client, ParticipationId id) const;
  int region(ClientId client) const { return regions_.region(bare(client)); }
  /// The end of the client's local day that contains `time`.
  Ticks end_of_day(ClientId client, Ticks time) const;

  /// Whether the client can take part at `time` >= 0, and until when at least that stays so: consent, region, memory,
  /// availability and limits together.
  Stretch stretch(ClientId client, Ticks time) const;
  /// The same as stretch(client, time).on, but cheaper: stops at the first "no".
  bool available(ClientId client, Ticks time) const;
  /// Whether the device has the memory that [population.limits] asks for.
  bool has_memory(ClientId client) const {
    return limits_.memory() == 0 || device(client).memory_bytes >= limits_.memory();
  }
  const Limits& limits() const { return limits_; }
  /// Whether every client can take part at any time: no availability, consent, limit, quota or outage decides it.
  bool is_always_available() const;

  Offline offline() const { return offline_; }
  /// Probability of dropping out in phase 0, 1, 2, ... of a participation that has reached it.
  double dropout(std::size_t phase) const { return phase < dropouts_.size() ? dropouts_[phase] : 0; }
  const PartialWork& partial() const { return partial_; }
  /// The draws that decide whether participation `id` drops out by chance, and where.
  RandomStream chance(ClientId client, ParticipationId id) const { return {chance_key_, value(client), value(id)}; }

 private:
  Who bare(ClientId client) const { return {.client = client}; }

  std::int64_t size_;
  std::uint64_t seed_;
  RandomKey speed_key_, bandwidth_key_, chance_key_;
  Device base_;
  double speed_sigma_;
  std::shared_ptr<const Devices> devices_;
  Regions regions_;
  std::shared_ptr<const Availability> availability_;
  Limits limits_;
  Consent consent_;
  Offline offline_;
  std::vector<double> dropouts_;
  PartialWork partial_;
};

}  // namespace shoal
