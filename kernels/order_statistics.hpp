#pragma once
// Order statistics over clients, coordinate by coordinate, for robust aggregation.

#include <span>

namespace shoal {

/// out[j] = the median of rows[0][j] .. rows[n - 1][j], n >= 1; for even n the mean of the two in the middle, as numpy
/// has it. Rows have out.size() values. The bits depend on the values only, not on the order of the rows (-0 counts as
/// +0). Infinities are ordinary extremes; NaN must not occur. Throws std::invalid_argument when there are no rows.
///
/// Up to 2,048 rows: a sorting network over vectors of coordinates. Above: each coordinate's values are gathered
/// and partitioned. Both work on blocks of coordinates that fit the cache, so rows are read once.
template <class T>
void medians(std::span<const T* const> rows, std::span<T> out);

}  // namespace shoal
