#pragma once
// Letters between components that run at the same time. A mailbox is where one thread or process, with the endpoints
// that live there, sends and receives them; the transports are in post_office.hpp, socket_mailbox.hpp, mpi_mailbox.hpp.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "sim/comm/bytes.hpp"
#include "sim/error.hpp"
#include "sim/ids.hpp"

namespace shoal {

/// A component or an agent's process. Endpoints may come and go; the program chooses their numbers.
enum class Endpoint : std::int64_t {};
/// The subject of a letter. Each component lists its own kinds.
enum class LetterKind : std::int32_t {};

constexpr std::int64_t value(Endpoint endpoint) { return static_cast<std::int64_t>(endpoint); }
constexpr std::int32_t value(LetterKind kind) { return static_cast<std::int32_t>(kind); }

/// The most bytes of a body, more than the weights of any model here. Transports between processes refuse more, before
/// they use memory for it.
constexpr std::uint64_t largest_letter = std::uint64_t{1} << 33;

struct Letter {
  Endpoint from, to;
  LetterKind kind;
  /// Never changed once sent, because sender and receivers in one process share it. Null and empty are the same.
  std::shared_ptr<const Bytes> body;
  /// The letter is handed over no earlier than this; later than now: a timer. By the clock of the sender's mailbox when
  /// it is sent, and of the receiver's when it arrives.
  Ticks due;
};

/// A letter is for an endpoint that is not there: it never was, or it has left.
struct NoSuchEndpoint final : SystemError {
  explicit NoSuchEndpoint(Endpoint endpoint);
};

/// Used by one thread. Letters of one sender to one receiver arrive in the order in which they were sent, except that
/// a timer arrives when it is due. Nothing is lost: a letter that `send` took is handed over once, unless its receiver
/// leaves or fails first.
class Mailbox {
 public:
  virtual ~Mailbox() = default;
  /// False if the receiver's bounded queue is full: the letter was not taken, and the sender keeps it. Letters to an
  /// endpoint of this mailbox are always taken, because it could not wait for itself. NoSuchEndpoint if the receiver is
  /// not there. A `due` in the past becomes the current time.
  virtual bool send(const Letter& letter) = 0;
  /// The next letter to an endpoint of this mailbox, by `due` and then by arrival. Waits for at most `patience`,
  /// without using a core; nothing if no letter was due by then. After a `send` that was refused it also returns
  /// nothing, once, as soon as the receiver has room or has left, so that the sender can try again.
  virtual std::optional<Letter> next(std::chrono::milliseconds patience) = 0;
  /// The clock that `due` refers to: microseconds since this transport was opened, or virtual time.
  virtual Ticks now() const = 0;
};

}  // namespace shoal
