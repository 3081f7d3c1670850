#pragma once
// A cache of bounded cost that drops the least recently used values first.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace shoal {

template <class Value>
class Recent {
 public:
  /// Holds values whose costs add up to at most `most`, or a single one that costs more.
  explicit Recent(std::int64_t most) : most_(most) {}

  /// The value of `key`, from `make` (a unique_ptr) where it is not held. Valid until the next call with another key.
  template <class Make>
  Value& get(std::int64_t key, std::int64_t cost, const Make& make) {
    auto found = std::find_if(held_.begin(), held_.end(), [&](const Entry& entry) { return entry.key == key; });
    if (found == held_.end()) {
      while (!held_.empty() && total_ + cost > most_) {
        total_ -= held_.back().cost;
        held_.pop_back();
      }
      held_.push_back({key, cost, make()});
      total_ += cost;
      found = held_.end() - 1;
    }
    std::rotate(held_.begin(), found, found + 1);
    return *held_.front().value;
  }

 private:
  struct Entry {
    std::int64_t key, cost;
    std::unique_ptr<Value> value;
  };

  std::int64_t most_, total_ = 0;
  std::vector<Entry> held_;  // latest first
};

}  // namespace shoal
