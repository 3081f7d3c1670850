#pragma once
// Order statistics over clients, coordinate by coordinate, for robust aggregation. Yin, Chen, Ramchandran, Bartlett:
// Byzantine-robust distributed learning, ICML 2018 (median, trimmed mean); Xie, Koyejo, Gupta: Generalized
// Byzantine-tolerant SGD, arXiv 1802.10116 (mean around the median).
//
// Coordinates are independent, so they may be cut into ranges (pointers moved forward) without changing a bit; and the
// bits depend on the values only, not on the order of the rows (-0 counts as +0). Infinities are ordinary extremes. NaN
// must not occur: the results of its column are then unspecified, but nothing else is affected.
//
// Host: strips of a few coordinates are gathered into the cache and processed with vectors whose lanes are coordinates:
// few rows by a sorting network, many by interpolated selection. Rows are read once. Device: order_statistics.cu, with
// the same bits. All functions exist for T = float and double.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// out[j] = the median of rows[0][j] .. rows[n - 1][j], n >= 1; for even n the mean of the two in the middle, as in
/// numpy. Rows have out.size() values. Throws std::invalid_argument when there are no rows.
template <class T>
void medians(std::span<const T* const> rows, std::span<T> out);

/// out[j] = the mean of column j without its `dropped` smallest and `dropped` largest values. The remaining values are
/// rounded to a unit of at most 2^-49 n of the largest (float; far less for double) and summed exactly: see
/// order_statistics_window.hpp. Throws std::invalid_argument unless 0 <= 2 dropped < n.
template <class T>
void trimmed_means(std::span<const T* const> rows, std::int64_t dropped, std::span<T> out);

/// out[j] = the mean of the n - dropped values of column j that are closest to its median. Values are dropped from the
/// ends of the sorted column one at a time, always the one farther from the median (distances rounded to T); of two
/// equally far values the larger is dropped. If the median is not finite, it is the result. Sums and errors as in
/// trimmed_means.
template <class T>
void means_around_median(std::span<const T* const> rows, std::int64_t dropped, std::span<T> out);

/// Device forms: `rows` and `out` (one value per column) are in device memory.
template <class T>
void medians(OnDevice device, RowView<const T> rows, T* out);
template <class T>
void trimmed_means(OnDevice device, RowView<const T> rows, std::int64_t dropped, T* out);
template <class T>
void means_around_median(OnDevice device, RowView<const T> rows, std::int64_t dropped, T* out);

/// Throws std::invalid_argument unless some of `rows` rows are left when `dropped` are dropped from each end.
void require_majority(std::int64_t rows, std::int64_t dropped);

}  // namespace shoal
