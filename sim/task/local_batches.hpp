#pragma once
// The examples that each local step of one participation sees.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/participation.hpp"
#include "sim/random.hpp"

namespace shoal {

/// Walks through a client's examples, shuffled anew for each epoch; an epoch's last batch may be smaller. The order is
/// a function of (key, client, participation) alone. A batch that holds all examples keeps the order it was given.
class LocalBatches {
 public:
  /// A `batch` of 0 is the full batch.
  LocalBatches(std::vector<std::int32_t> examples, std::int64_t batch, RandomKey key, const Participation& who);
  /// The next step's examples; valid until the next call. Empty only if the client has none.
  std::span<const std::int32_t> next();

 private:
  std::vector<std::int32_t> examples_;
  std::size_t batch_, used_;
  RandomStream random_;
};

}  // namespace shoal
