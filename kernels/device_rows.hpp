#pragma once
// Client rows on the device, as a round needs them: ranges, norms, scaling, exact sums, means. Same bits as the host
// forms in fixed_point.hpp and vector_ops.hpp. All exist for T = float and double; sizes are the caller's promise.

#include "kernels/device.hpp"
#include "kernels/fixed_point.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// out[k] = scan of row k.
template <class T>
void scan_rows(OnDevice device, RowView<const T> rows, RowRange* out);

/// out[k] = norm of row k.
template <class T>
void norms_of_rows(OnDevice device, RowView<const T> rows, double* out);

/// Row k times factors[k], rounded to T first.
template <class T>
void multiply_rows(OnDevice device, RowView<T> rows, const double* factors);

/// sum[i] += rint(row k [i] 2^exponent) * weights[k] over all rows; rows of weight 0 take no part, whatever they hold.
/// That nothing overflows is the caller's promise: the device cannot throw.
template <class T>
void add_rows(OnDevice device, std::int64_t* sum, RowView<const T> rows, const std::int64_t* weights, int exponent);

/// out = sum 2^-exponent / total_weight, in double and then rounded to T.
template <class T>
void mean_of_sums(OnDevice device, const std::int64_t* sum, std::int64_t count, int exponent, double total_weight,
                  T* out);

}  // namespace shoal
