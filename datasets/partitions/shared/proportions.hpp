#pragma once
// Unequal shares of a number of examples.

#include <cstdint>
#include <vector>

#include "sim/random.hpp"

namespace shoal {

/// Cuts of `total` examples into one part per client, [clients + 1], in proportions ~ Dirichlet(alpha). Client c has
/// those from cuts[c] to cuts[c + 1]. Cut at floor(cumulative share * total + u), u uniform in [0, 1), so that every
/// client's expected number is exactly its share; cuts at the floor alone would favour the last client.
std::vector<std::int32_t> dirichlet_cuts(std::int64_t clients, double alpha, std::int64_t total, RandomStream& random);

}  // namespace shoal
