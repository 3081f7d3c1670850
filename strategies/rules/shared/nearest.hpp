#pragma once
// Distances between rows, for the rules that choose rows by them.

#include <vector>

#include "sim/round/row_set.hpp"

namespace shoal {

/// ||x_i - x_j||^2 for all pairs of rows, [n, n]. Collective.
std::vector<double> squared_distances(RowSet& rows);

/// The numbers of the `count` smallest values, smallest first; of equal values the first, which is that of the lowest
/// client.
std::vector<std::int64_t> smallest(std::span<const double> values, std::int64_t count);

}  // namespace shoal
