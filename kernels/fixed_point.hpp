#pragma once
// Exact weighted sums. A value x counts as the integer q = rint(x 2^exponent), half to even, and enters a 64-bit sum as
// q * weight. Integer sums do not depend on their order, so neither ranks nor threads can change a result. Weights
// multiply after rounding: equal updates stay equal, and a weight of 3 is exactly three clients of weight 1.
//
// The caller chooses the exponent with unit_exponent from a bound on |x| and the total weight, and rejects rows that
// scan finds outside that bound; then no sum can overflow. All functions exist for T = float and double; call them as
// accumulate<float>(...). The rounding mode must be the default, to nearest.

#include <cstdint>
#include <limits>
#include <span>

#include "kernels/launch.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// Exponents lie in [-largest_exponent, largest_exponent], so that 2^exponent and its inverse are ordinary doubles.
inline constexpr int largest_exponent = 900;

/// The largest s with total_weight * bound * 2^s < 2^62, at most largest_exponent. One bit is left for rounding errors.
/// Throws std::invalid_argument unless both are positive, their product is below 2^900 and total_weight at most 2^62.
int unit_exponent(double total_weight, double bound);

/// rint(x 2^exponent), half to even. Throws std::overflow_error if that does not fit, or if x is NaN.
std::int64_t fixed(double x, int exponent);

/// True if a value of magnitude `max_abs` could give a product rint(x 2^exponent) * weight outside (-2^63, 2^63); NaN
/// and infinity always do.
bool would_overflow(double max_abs, std::int64_t weight, int exponent);

struct RowRange {
  bool finite = true;  // no value is NaN or infinite
  double max_abs = 0;  // largest magnitude; infinity if not finite
};

/// Finds a row's range in one pass, so that a row outside its bound is rejected before it is summed.
template <class T>
RowRange scan(std::span<const T> row);

/// sum[i] += rint(row[i] 2^exponent) * weight. Sizes must agree (std::invalid_argument). Throws std::overflow_error
/// when a product would_overflow, leaving `sum` unspecified. The caller guarantees that the sum itself fits.
template <class T>
void accumulate(std::span<std::int64_t> sum, std::span<const T> row, std::int64_t weight, int exponent);

/// accumulate for the K rows of [K, d] with K weights, in one pass over the rows: blocks of coordinates keep the sums
/// in cache. Same integers as K calls of accumulate. The error names the first row that does not fit.
template <class T>
void accumulate_rows(std::span<std::int64_t> sum, RowView<const T> rows, std::span<const std::int64_t> weights,
                     int exponent);

/// accumulate for the row after - before (rounded to T), which is not stored.
template <class T>
void accumulate_difference(std::span<std::int64_t> sum, std::span<const T> after, std::span<const T> before,
                           std::int64_t weight, int exponent);

/// out = sum 2^-exponent / total_weight, in double and then rounded to T. Throws std::invalid_argument unless the sizes
/// agree and total_weight is positive and finite.
template <class T>
void to_mean(std::span<const std::int64_t> sum, int exponent, double total_weight, std::span<T> out);

// On the device (device.hpp): the same integers and means as on the host.

/// The value of bad_row while every product fits.
inline constexpr std::int64_t no_row = std::numeric_limits<std::int64_t>::max();

/// out[k] = scan of row k; out has K places.
template <class T>
void scan_rows(OnDevice device, RowView<const T> rows, RowRange* out);

/// accumulate_rows with sum [d] and weights [K]. Queued work cannot throw: *bad_row, one integer that the caller sets
/// to no_row, is lowered to the first row with a product that would_overflow. Pass it to require_no_row.
template <class T>
void accumulate_rows(OnDevice device, std::int64_t* sum, RowView<const T> rows, const std::int64_t* weights,
                     int exponent, std::int64_t* bad_row);

/// For a bad_row copied back to the host: throws std::overflow_error, naming the row, unless it is no_row.
void require_no_row(std::int64_t bad_row, int exponent);

/// out [size] = sum [size] 2^-exponent / total_weight, rounded as on the host. Throws as on the host.
template <class T>
void to_mean(OnDevice device, const std::int64_t* sum, std::int64_t size, int exponent, double total_weight, T* out);

}  // namespace shoal
