#include "sim/secure/neighbours.hpp"

#include <algorithm>
#include <numeric>

namespace shoal {

NeighbourGraph::NeighbourGraph(std::int64_t parties, std::int64_t degree, RandomKey key)
    : degree_(std::min(degree, std::max<std::int64_t>(0, parties - 1))), order_(parties), place_(parties) {
  ensure(degree_ >= 0 && (degree_ % 2 == 0 || degree_ == parties - 1), "a graph of {} parties of degree {}", parties,
         degree);
  std::iota(order_.begin(), order_.end(), 0);
  RandomStream random(key, 0);
  shuffle<std::int32_t>(order_, random);
  for (std::size_t i = 0; i < order_.size(); ++i) place_[order_[i]] = static_cast<std::int32_t>(i);
}

std::vector<std::int32_t> NeighbourGraph::of(std::int32_t party) const {
  std::vector<std::int32_t> found;
  const std::int64_t n = parties();
  if (degree_ == n - 1) {
    for (std::int32_t other = 0; other < n; ++other) {
      if (other != party) found.push_back(other);
    }
    return found;
  }
  for (std::int64_t offset = 1; offset <= degree_ / 2; ++offset) {
    found.push_back(order_[(place_[party] + offset) % n]);
    found.push_back(order_[(place_[party] + n - offset) % n]);
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace shoal
