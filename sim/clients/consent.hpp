#pragma once
// A user's opt-in: to federated learning at all, and to this task.

#include <string>

#include "sim/clients/availability.hpp"

namespace shoal {

/// Clients' agreements, and when they end. A client takes part while it has agreed to take part at all and to this
/// task. Agreement to a task is drawn by the task's name: tasks over one population are independent, and a new purpose
/// needs a new agreement.
class Consent {
 public:
  /// Reads [population.consent].
  Consent(const Settings& settings, std::uint64_t seed);

  bool any() const { return general_ < 1 || task_ < 1 || withdrawals_ > 0; }
  /// Off for ever if the client never agreed; otherwise on until it withdraws, at an exponential time.
  Stretch at(const Who& who, Ticks time) const;

 private:
  RandomKey key_;
  double general_, task_, withdrawals_;
  std::int64_t purpose_;
};

}  // namespace shoal
