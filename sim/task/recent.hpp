#pragma once
// A small cache that forgets what was not asked for longest.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace shoal {

template <class Key, class Value>
class Recent {
 public:
  explicit Recent(std::size_t most) : most_(most) {}

  /// The value of `key`, from `make` where it is not held. Valid until `most` other keys were asked for.
  template <class Make>
  Value& get(const Key& key, const Make& make) {
    auto found = std::find_if(held_.begin(), held_.end(), [&](const auto& entry) { return entry.first == key; });
    if (found == held_.end()) {
      if (held_.size() == most_) held_.pop_back();
      held_.emplace_back(key, make());
      found = held_.end() - 1;
    }
    std::rotate(held_.begin(), found, found + 1);
    return *held_.front().second;
  }

 private:
  std::size_t most_;
  std::vector<std::pair<Key, std::unique_ptr<Value>>> held_;
};

}  // namespace shoal
