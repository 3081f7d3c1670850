#pragma once
// Letters between processes of one machine, over Unix domain sockets.

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/comm/mailbox.hpp"

namespace shoal {

/// A process at the other end of a socket went away without a goodbye, or sent what is not a letter.
struct PeerFailed final : SystemError {
  PeerFailed(const std::string& text, std::vector<Endpoint> its_endpoints)
      : SystemError(text), endpoints(std::move(its_endpoints)) {}
  std::vector<Endpoint> endpoints;  // those that left with it; none if it failed before its greeting
};

/// A mailbox that exchanges letters with the processes that are connected to it; it passes none on between them. Its
/// queue holds up to `capacity` letters of each process. `next`, `wait_for` and `flush` do all the work and throw
/// PeerFailed once for each process that fails, after the letters that had arrived from it and are due; the mailbox
/// keeps working for the others. When it is destroyed, it sends the letters that it took, for at most 10 seconds, and a
/// goodbye: then its endpoints leave the other mailboxes without an error.
class SocketMailbox : public Mailbox {
 public:
  /// Waits until a process with this endpoint is connected; false if there is none when the patience ends.
  virtual bool wait_for(Endpoint endpoint, std::chrono::milliseconds patience) = 0;
  /// Waits until all letters have left this process; false if some are still here when the patience ends.
  virtual bool flush(std::chrono::milliseconds patience) = 0;
};

/// Other processes of this user can connect at `path`, from now on until the mailbox is destroyed. UserError if the
/// path is too long for a socket, cannot be made, or belongs to another process or to a file.
std::unique_ptr<SocketMailbox> listen_for_letters(const std::string& path, std::span<const Endpoint> endpoints,
                                                  std::int64_t capacity);
/// Connects to the process that listens at `path` and exchanges greetings; it may begin to listen within `patience`.
/// SystemError if it does not answer by then.
std::unique_ptr<SocketMailbox> connect_for_letters(const std::string& path, std::span<const Endpoint> endpoints,
                                                   std::int64_t capacity, std::chrono::milliseconds patience);
/// Owns `socket`, a connected stream socket, such as one of a socketpair.
std::unique_ptr<SocketMailbox> letters_over(int socket, std::span<const Endpoint> endpoints, std::int64_t capacity);

}  // namespace shoal
