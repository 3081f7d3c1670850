#pragma once
// Groups of clients that get messages of their own, as planners see them.

#include <vector>

#include "sim/ids.hpp"

namespace shoal {

struct Federation;
struct FederationState;

/// The groups of the clients in one round, until the server's step, and what each group downloads. Messages are made
/// when they are first asked for. Both arguments must outlive the object.
class Groups {
 public:
  Groups(const Federation& federation, FederationState& state);

  /// The group whose message the client downloads if it starts now.
  std::int32_t of(ClientId client) const;
  /// Bytes of the newest message of a group.
  std::int64_t bytes(std::int32_t group) const;
  /// Bytes that a client of the group is expected to send.
  std::int64_t bytes_up(std::int32_t group) const;

 private:
  const Federation& federation_;
  FederationState& state_;
  mutable std::vector<std::int64_t> bytes_;  // per group; -1: not asked for yet
};

}  // namespace shoal
