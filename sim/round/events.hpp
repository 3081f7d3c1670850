#pragma once
// What happens when: ends of participations on the virtual clock, in one total order that is the same on every rank.

#include <algorithm>
#include <compare>
#include <utility>
#include <vector>

#include "sim/error.hpp"
#include "sim/participation.hpp"

namespace shoal {

/// Of two that end at the same time, an arrival comes before a loss.
enum class EventKind : std::int64_t { arrival = 0, loss = 1 };

/// A participation ends. Ordered by (time, kind, client, participation).
struct Event {
  Ticks time{};
  EventKind kind = EventKind::arrival;
  ClientId client{};
  ParticipationId id{};

  friend auto operator<=>(const Event&, const Event&) = default;
};

inline Event end_of(const Participation& p) {
  return {p.finish, p.outcome == Outcome::completes ? EventKind::arrival : EventKind::loss, p.client, p.id};
}

/// Pending events: a binary heap. Push and pop cost the logarithm of what is pending, making one of n events costs n.
class EventQueue {
 public:
  explicit EventQueue(std::vector<Event> events = {}) : heap_(std::move(events)) {
    std::ranges::make_heap(heap_, std::greater<>{});
  }

  bool empty() const { return heap_.empty(); }
  std::int64_t size() const { return std::ssize(heap_); }
  const Event& next() const { return heap_.front(); }

  void push(const Event& event) {
    heap_.push_back(event);
    std::ranges::push_heap(heap_, std::greater<>{});
  }
  /// The earliest event, which is taken out.
  Event pop() {
    ensure(!heap_.empty(), "no event is left");
    std::ranges::pop_heap(heap_, std::greater<>{});
    const Event event = heap_.back();
    heap_.pop_back();
    return event;
  }

 private:
  std::vector<Event> heap_;  // earliest first
};

}  // namespace shoal
