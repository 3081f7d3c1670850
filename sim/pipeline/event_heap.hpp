#pragma once
// Pending events of the agents' pipeline.

#include <algorithm>
#include <compare>
#include <functional>
#include <vector>

#include "sim/error.hpp"
#include "sim/ids.hpp"

namespace shoal::pipeline {

/// Ordered by (time, kind, user, number), so that a run is a function of its seed.
struct PipelineEvent {
  /// Events at one time are handled in this order: finished work counts before weights change, and new requests
  /// are served with the new weights.
  enum class Kind : std::int8_t { served, judged, arrived, expired, trained, handed_over, asked };

  Ticks time{};
  Kind kind = Kind::served;
  std::int64_t user = 0;
  std::int64_t number = 0;  // number of a generation, turn, delivery, session or version, depending on the kind

  friend auto operator<=>(const PipelineEvent&, const PipelineEvent&) = default;
};

/// A binary heap, earliest event first.
class EventHeap {
 public:
  bool empty() const { return heap_.empty(); }
  void push(const PipelineEvent& event) {
    heap_.push_back(event);
    std::ranges::push_heap(heap_, std::greater<>{});
  }
  PipelineEvent pop() {
    ensure(!heap_.empty(), "no event is left in the agents' pipeline");
    std::ranges::pop_heap(heap_, std::greater<>{});
    const PipelineEvent event = heap_.back();
    heap_.pop_back();
    return event;
  }

 private:
  std::vector<PipelineEvent> heap_;
};

}  // namespace shoal::pipeline
