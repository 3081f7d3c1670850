#pragma once
// Who the clients are. Asked lazily, client by client; ten million clients cost nothing until asked.

#include <cstdint>
#include <memory>

#include "sim/clients/availability.hpp"
#include "sim/ids.hpp"
#include "sim/random.hpp"
#include "sim/settings.hpp"

namespace shoal {

/// What a client's device can do.
struct Device {
  double flops_per_second;
  double down_bytes_per_second;
  double up_bytes_per_second;
};

/// The clients, their devices and when they are available; all of it pure functions of (seed, client, time).
class Population {
 public:
  /// Reads [population]: median speed and bandwidths, the spread of speeds between clients, availability.
  Population(const Settings& settings, std::uint64_t seed, std::int64_t size);

  std::int64_t size() const { return size_; }
  std::uint64_t seed() const { return seed_; }
  Device device(ClientId client) const;
  /// Whether the client can take part at `time`, and until when at least that stays so.
  Stretch stretch(ClientId client, Ticks time) const;
  bool available(ClientId client, Ticks time) const { return stretch(client, time).on; }

 private:
  std::int64_t size_;
  std::uint64_t seed_;
  RandomKey key_;
  double speed_, speed_sigma_, down_, up_;
  std::shared_ptr<const Availability> availability_;
};

}  // namespace shoal
