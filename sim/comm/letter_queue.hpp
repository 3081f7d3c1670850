#pragma once
// Shared by the transports of letters: a queue of letters that are handed over when they are due, and a clock.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sim/comm/mailbox.hpp"

namespace shoal {

/// Microseconds since it was made.
class LetterClock {
 public:
  using Steady = std::chrono::steady_clock;

  Ticks now() const {
    return Ticks{std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - begin_).count()};
  }
  /// The time when this patience ends, at most some decades from now.
  Ticks after(std::chrono::milliseconds patience) const {
    ensure(patience.count() >= 0, "a patience of {} ms", patience.count());
    constexpr std::int64_t most = 1'000'000'000'000;  // ms
    return now() + Ticks{std::min<std::int64_t>(patience.count(), most) * 1000};
  }
  /// When a letter from another process, `delay` microseconds before its time, is due here.
  Ticks due_in(std::int64_t delay) const {
    return now() + Ticks{std::clamp<std::int64_t>(delay, 0, 4'000'000'000'000'000'000)};
  }
  Steady::time_point at(Ticks time) const { return begin_ + std::chrono::microseconds(value(time)); }

 private:
  Steady::time_point begin_ = Steady::now();
};

/// Letters by `due` and then by arrival. Letters of one sender whose `due` does not decrease keep their order.
class LetterQueue {
 public:
  /// `source` is for the transport: the peer that waits for room, or `own`.
  struct Held {
    Letter letter;
    std::int64_t source;
    std::uint64_t number;
  };
  static constexpr std::int64_t own = -1;

  void add(Letter letter, std::int64_t source) {
    held_.push_back({std::move(letter), source, arrived_++});
    std::push_heap(held_.begin(), held_.end(), later);
  }
  bool ready(Ticks now) const { return !held_.empty() && held_.front().letter.due <= now; }
  /// The earlier of `time` and the time when the first letter is due.
  Ticks first_due(Ticks time) const { return held_.empty() ? time : std::min(time, held_.front().letter.due); }
  /// The first letter; there must be one.
  Held take() {
    ensure(!held_.empty(), "a letter is taken from an empty queue");
    std::pop_heap(held_.begin(), held_.end(), later);
    Held first = std::move(held_.back());
    held_.pop_back();
    return first;
  }

 private:
  static bool later(const Held& a, const Held& b) {
    return std::pair(a.letter.due, a.number) > std::pair(b.letter.due, b.number);
  }

  std::vector<Held> held_;  // a heap
  std::uint64_t arrived_ = 0;
};

/// Checks what every mailbox is opened with.
inline void check_mailbox(std::span<const Endpoint> endpoints, std::int64_t capacity) {
  ensure(!endpoints.empty(), "a mailbox without endpoints");
  ensure(capacity >= 1, "a mailbox for {} letters", capacity);
}

/// Whether one of `endpoints` is this one.
inline bool contains(std::span<const Endpoint> endpoints, Endpoint endpoint) {
  return std::find(endpoints.begin(), endpoints.end(), endpoint) != endpoints.end();
}

/// Checks a letter that one of `endpoints` sends.
inline void check_letter(const Letter& letter, std::span<const Endpoint> endpoints) {
  ensure(contains(endpoints, letter.from), "endpoint {} sends from the mailbox of others", value(letter.from));
  ensure(!letter.body || letter.body->size() <= largest_letter, "a letter of {} bytes",
         letter.body ? letter.body->size() : 0);
}

}  // namespace shoal
