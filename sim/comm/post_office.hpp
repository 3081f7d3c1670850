#pragma once
// Letters among the threads of a process.

#include <cstdint>
#include <memory>
#include <span>

#include "sim/comm/mailbox.hpp"

namespace shoal {

/// Hands letters over without copying their bodies. Copies are the same office; it lives as long as its last copy or
/// mailbox. Any thread may open mailboxes; each of them is then used by one thread.
class PostOffice {
 public:
  PostOffice();
  /// A mailbox for endpoints that have none here yet; its queue holds up to `capacity` letters of others. When it is
  /// destroyed, its endpoints leave: letters that wait in it are discarded, and later ones refused (NoSuchEndpoint).
  std::unique_ptr<Mailbox> open(std::span<const Endpoint> endpoints, std::int64_t capacity) const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace shoal
