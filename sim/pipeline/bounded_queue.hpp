#pragma once
// A queue of waiting turns that counts what enters and what leaves.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "sim/error.hpp"

namespace shoal::pipeline {

/// First in, first out.
template <class Item>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::int64_t capacity) : capacity_(capacity) {}

  /// Adds an item. If the queue is full, its oldest item leaves and is returned.
  std::optional<Item> push(Item item) {
    std::optional<Item> oldest;
    if (size() == capacity_) oldest = pop();
    items_.push_back(std::move(item));
    ++in_;
    longest_ = std::max(longest_, size());
    return oldest;
  }
  Item pop() {
    ensure(!items_.empty(), "a turn is taken from an empty queue");
    Item item = std::move(items_.front());
    items_.pop_front();
    ++out_;
    return item;
  }
  /// Removes all items for which `leaves(item)` holds, in order.
  template <class Leaves>
  void remove_if(Leaves&& leaves) {
    out_ += std::erase_if(items_, leaves);
  }

  std::int64_t size() const { return std::ssize(items_); }
  bool empty() const { return items_.empty(); }
  std::int64_t longest() const { return longest_; }
  /// Throws BrokenInvariant unless every turn that entered has left or is here.
  void check() const { ensure(in_ == out_ + size(), "a queue lost turns ({} in, {} out, {} here)", in_, out_, size()); }

 private:
  std::int64_t capacity_;
  std::deque<Item> items_;
  std::int64_t in_ = 0, out_ = 0, longest_ = 0;
};

}  // namespace shoal::pipeline
