#pragma once
// A user's opt-in: to federated learning at all, and to this task.

#include <string>

#include "sim/clients/availability.hpp"

namespace shoal {

/// Who has agreed, and until when. A client takes part while it has agreed to both; an agreement to a task is drawn by
/// the task's name, so that tasks over one population ask independently and a new purpose asks anew.
class Consent {
 public:
  /// Reads [population.consent].
  Consent(const Settings& settings, std::uint64_t seed);

  bool any() const { return general_ < 1 || task_ < 1 || withdrawals_ > 0; }
  /// Off for ever where the client never agreed; otherwise on until it withdraws, at an exponential time.
  Stretch at(const Who& who, Ticks time) const;

 private:
  RandomKey key_;
  double general_, task_, withdrawals_;
  std::int64_t purpose_;
};

}  // namespace shoal
