#include "sim/task/local_batches.hpp"

#include <algorithm>

namespace shoal {

LocalBatches::LocalBatches(std::vector<std::int32_t> examples, std::int64_t batch, RandomKey key,
                           const Participation& who)
    : examples_(std::move(examples)),
      batch_(batch == 0 ? examples_.size() : std::min<std::size_t>(batch, examples_.size())),
      used_(examples_.size()),
      random_(key, value(who.client), value(who.id)) {}

std::span<const std::int32_t> LocalBatches::next() {
  if (used_ == examples_.size()) {
    used_ = 0;
    if (batch_ < examples_.size()) shuffle(std::span(examples_), random_);
  }
  const std::size_t first = used_, count = std::min(batch_, examples_.size() - first);
  used_ += count;
  return std::span(examples_).subspan(first, count);
}

}  // namespace shoal
