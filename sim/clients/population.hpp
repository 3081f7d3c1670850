#pragma once
// Who the clients are. Asked lazily, client by client; ten million clients cost nothing until asked.

#include <cstdint>

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

/// The clients and their devices; every trait is a pure function of (seed, client).
class Population {
 public:
  /// Reads [population]: median speed and bandwidths, and the spread of speeds between clients.
  Population(const Settings& settings, std::uint64_t seed, std::int64_t size);

  std::int64_t size() const { return size_; }
  Device device(ClientId client) const;

 private:
  std::int64_t size_;
  RandomKey key_;
  double speed_, speed_sigma_, down_, up_;
};

}  // namespace shoal
