#pragma once
// Unequal shares of a number of examples.

#include <cstdint>
#include <vector>

#include "sim/random.hpp"

namespace shoal {

/// Where each client's part of `total` examples begins, [clients + 1]: proportions ~ Dirichlet(alpha). Cut at
/// floor(cumulative share * total + u), u uniform: every client's expected number is then exactly its share (cutting at
/// the floor alone, the first clients would pay for the last).
std::vector<std::int32_t> dirichlet_cuts(std::int64_t clients, double alpha, std::int64_t total, RandomStream& random);

}  // namespace shoal
