#pragma once
// Order statistics over clients, coordinate by coordinate, for robust aggregation. Yin, Chen, Ramchandran, Bartlett:
// Byzantine-robust distributed learning, ICML 2018 (median, trimmed mean); Xie, Koyejo, Gupta: Generalized
// Byzantine-tolerant SGD, arXiv 1802.10116 (mean around the median).
//
// Every coordinate is worked on alone, so coordinates may be cut into ranges (pointers moved forward) without changing
// a bit; and the bits depend on the values only, not on the order of the rows (-0 counts as +0). Infinities are
// ordinary extremes. NaN must not occur: it gives unspecified values, but nothing worse.
//
// Host: strips of a few coordinates are gathered into the cache and worked on with vectors whose lanes are coordinates,
// few rows by a sorting network, many by interpolated selection; rows are read once. Device: bodies in
// order_statistics.cu; same bits. All functions exist for T = float and double.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// out[j] = the median of rows[0][j] .. rows[n - 1][j], n >= 1; for even n the mean of the two in the middle, as numpy
/// has it. Rows have out.size() values. Throws std::invalid_argument when there are no rows.
template <class T>
void medians(std::span<const T* const> rows, std::span<T> out);

/// out[j] = the mean of what is left of column j without its `dropped` smallest and `dropped` largest values. Summed
/// exactly after rounding to a unit of at most 2^-49 n of the largest value left (float; far less for double): see
/// order_statistics_window.hpp. Throws std::invalid_argument unless 0 <= 2 dropped < n.
template <class T>
void trimmed_means(std::span<const T* const> rows, std::int64_t dropped, std::span<T> out);

/// out[j] = the mean of the n - dropped values of column j that are closest to its median. The sorted column loses
/// `dropped` values from its ends, one by one the one that is farther from the median (distance rounded to T), of two
/// equally far ones the larger. A column whose median is not finite gives that median. Sums and errors as in
/// trimmed_means.
template <class T>
void means_around_median(std::span<const T* const> rows, std::int64_t dropped, std::span<T> out);

/// Device forms: `rows` and `out` (one value per column) are memory of the device.
template <class T>
void medians(OnDevice device, RowView<const T> rows, T* out);
template <class T>
void trimmed_means(OnDevice device, RowView<const T> rows, std::int64_t dropped, T* out);
template <class T>
void means_around_median(OnDevice device, RowView<const T> rows, std::int64_t dropped, T* out);

/// Throws std::invalid_argument unless `rows` clients remain rows when `dropped` are dropped from both ends.
void require_majority(std::int64_t rows, std::int64_t dropped);

}  // namespace shoal
