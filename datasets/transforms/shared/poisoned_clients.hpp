#pragma once
// The clients whose data an attacker has changed.

#include "sim/ids.hpp"
#include "sim/random.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// A share of the clients, the same in all rounds: exactly the rounded number of them, drawn by the key.
class PoisonedClients {
 public:
  /// Reads `clients`.
  explicit PoisonedClients(const Settings& settings);
  bool has(ClientId client, std::int64_t clients, RandomKey key) const;

 private:
  double share_;
};

}  // namespace shoal
