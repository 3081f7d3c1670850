#pragma once
// The clients that an attack controls.

#include "sim/ids.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// The clients with the lowest numbers, from some round on: partitions give clients their data independently of their
/// numbers.
class MaliciousClients {
 public:
  explicit MaliciousClients(const Settings& s)
      : count_(s.integer("malicious", 1, "number of malicious clients: those with the lowest numbers", at_least(0))),
        from_round_(s.integer("from_round", 1, "first round in which they attack", at_least(1))) {}

  bool contain(ClientId client, std::int64_t round) const { return value(client) < count_ && round >= from_round_; }

 private:
  std::int64_t count_, from_round_;
};

}  // namespace shoal
