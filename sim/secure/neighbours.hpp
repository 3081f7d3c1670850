#pragma once
// The graph of those who share masks and secrets with each other in secure aggregation.

#include <cstdint>
#include <vector>

#include "sim/random.hpp"

namespace shoal {

/// Parties on a ring in random order; the neighbours of each are the nearest degree / 2 on either side (a Harary
/// graph; Bell et al., CCS 2020, section 3). With a degree of parties - 1 or more, everyone is everyone's neighbour.
class NeighbourGraph {
 public:
  NeighbourGraph(std::int64_t parties, std::int64_t degree, RandomKey key);

  std::int64_t parties() const { return std::ssize(order_); }
  std::int64_t degree() const { return degree_; }
  /// In ascending order. Symmetric.
  std::vector<std::int32_t> of(std::int32_t party) const;

 private:
  std::int64_t degree_;
  std::vector<std::int32_t> order_, place_;  // parties along the ring, and the place of each
};

}  // namespace shoal
