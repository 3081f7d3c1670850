#pragma once
// A queue of waiting turns that counts what enters and what leaves.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

#include "sim/error.hpp"

namespace shoal::pipeline {

/// Turns by number, first in, first out.
class BoundedQueue {
 public:
  explicit BoundedQueue(std::int64_t capacity) : capacity_(capacity) {}

  /// Adds a turn. If the queue is full, its oldest turn leaves and is returned.
  std::optional<std::int64_t> push(std::int64_t number) {
    std::optional<std::int64_t> oldest;
    if (size() == capacity_) oldest = pop();
    numbers_.push_back(number);
    ++in_;
    longest_ = std::max(longest_, size());
    return oldest;
  }
  std::int64_t pop() {
    ensure(!numbers_.empty(), "a turn is taken from an empty queue");
    const std::int64_t number = numbers_.front();
    numbers_.pop_front();
    ++out_;
    return number;
  }
  /// Removes all turns for which `leaves(number)` holds, in order.
  template <class Leaves>
  void remove_if(Leaves&& leaves) {
    out_ += std::erase_if(numbers_, leaves);
  }

  std::int64_t size() const { return std::ssize(numbers_); }
  bool empty() const { return numbers_.empty(); }
  std::int64_t longest() const { return longest_; }
  /// Throws BrokenInvariant unless every turn that entered has left or is here.
  void check() const { ensure(in_ == out_ + size(), "a queue lost turns ({} in, {} out, {} here)", in_, out_, size()); }

 private:
  std::int64_t capacity_;
  std::deque<std::int64_t> numbers_;
  std::int64_t in_ = 0, out_ = 0, longest_ = 0;
};

}  // namespace shoal::pipeline
