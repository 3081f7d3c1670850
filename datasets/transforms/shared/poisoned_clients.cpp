#include "datasets/transforms/shared/poisoned_clients.hpp"

#include <cmath>

namespace shoal {

PoisonedClients::PoisonedClients(const Settings& settings)
    : share_(settings.number("clients", 0.2, "share of the clients whose data are changed", between(0, 1))) {}

bool PoisonedClients::has(ClientId client, std::int64_t clients, RandomKey key) const {
  if (value(client) >= clients) return false;  // the server
  const std::int64_t poisoned = std::llround(share_ * clients);
  if (poisoned == 0 || poisoned == clients) return poisoned > 0;
  return static_cast<std::int64_t>(KeyedPermutation(key, 0, clients)(value(client))) < poisoned;
}

}  // namespace shoal
