#pragma once
// A cache bounded by cost that forgets what was not asked for longest.

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

  /// The value of `key`, from `make` (a unique_ptr) where it is not held. Valid until another key is asked for.
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
