#pragma once
// Batches of the examples that the server keeps for itself.

#include <algorithm>
#include <span>
#include <vector>

#include "sim/random.hpp"
#include "sim/round/server_data.hpp"
#include "sim/round/strategy.hpp"

namespace shoal::algorithms {

/// The batches of one round: all examples come in a random order before any comes again. The context must outlive them.
class ServerBatches {
 public:
  /// `batch` examples each; 0: all of them.
  ServerBatches(const ServerContext& context, std::int64_t batch) : key_(context.key) {
    ensure(context.server != nullptr, "a step on data of the server without any");
    count_ = context.server->count();
    batch_.resize(batch == 0 ? count_ : std::min(batch, count_));
  }

  /// Batches that make up one pass over the examples, the last of which may begin another.
  std::int64_t per_pass() const { return (count_ + std::ssize(batch_) - 1) / std::ssize(batch_); }
  /// Positions among the server's examples, until the next call.
  std::span<const std::int32_t> next() {
    for (std::int32_t& example : batch_) {
      example = KeyedPermutation(key_, next_ / count_, count_)(next_ % count_);
      ++next_;
    }
    return batch_;
  }

 private:
  RandomKey key_;
  std::int64_t count_ = 0, next_ = 0;
  std::vector<std::int32_t> batch_;
};

}  // namespace shoal::algorithms
