#pragma once
// Inner products and squared distances of n rows of float, for rules that compare rows, and weighted combinations of
// rows.
//
// Coordinates are cut into chunks of gram_chunk. Each chunk's products are rounded to a common unit, so that adding
// them is exact: the result does not depend on the order of the chunks, and ranks that each take some chunks and add up
// their matrices get the same matrix as one rank. Callers shard coordinates at multiples of gram_chunk.
//
// Host forms use the BLAS inside LibTorch (sgemm_, dgemm_) with the number of threads that the caller has set: bits are
// promised for one thread (MKL_NUM_THREADS=1 or at::set_num_threads(1)), one processor type and one library version.
// Device forms have their own products, in double; they agree with the host to the precision of float, not to the bit.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// Columns per chunk.
inline constexpr std::int64_t gram_chunk = 2048;

/// The scale that all parts of one matrix must share. Both numbers are powers of two.
struct GramScale {
  double factor = 1;  // values are multiplied by it; their magnitude is then at most 1
  double unit = 1;    // products of scaled values are rounded to multiples of it
};

/// The scale for values of at most `bound` in magnitude and `columns` coordinates in all shards together; its unit is
/// at most 2^-48 columns. Throws std::invalid_argument unless bound is finite and not negative.
GramScale gram_scale(double bound, std::int64_t columns);

/// gram[i, j] += sum over the columns of (x_i - centre)(x_j - centre). `rows` holds the columns of one shard, which
/// starts at a multiple of gram_chunk; gram [n, n] is symmetric. An empty centre is zero; differences are rounded to
/// float and must lie within the scale's bound. Products of a chunk are summed in float by the BLAS. Choose a centre
/// close to the rows (their mean, the last model): otherwise distances of rows that are far from zero and close to each
/// other suffer from cancellation.
void add_gram(RowView<const float> rows, std::span<const float> centre, GramScale scale, std::span<double> gram);

/// distances[i, j] = max(0, gram_ii + gram_jj - 2 gram_ij).
void distances_from_gram(std::span<const double> gram, std::span<double> distances);

/// distances[i, j] += ||x_i - x_j||^2 over the columns, from the differences (rounded to float): no cancellation,
/// but 1.5 times the operations of add_gram at a lower rate; meant for n <= 64. Shards and sizes as in add_gram; the
/// scale's bound is that of differences, twice the bound of the values.
void add_squared_distances(RowView<const float> rows, GramScale scale, std::span<double> distances);

/// out[r, j] = sum_i weights[r n + i] x_i[j] over the n rows, in the order of the rows, in double with fused
/// multiply-add, then rounded to float. Columns do not depend on each other; host and device give the same bits.
void combine(std::span<const double> weights, RowView<const float> rows, RowView<float> out);

/// The same for rows of double.
void combine(std::span<const double> weights, RowView<const double> rows, RowView<double> out);

/// A power of two that brings a row whose largest magnitude is `largest` below 1 (1 for 0). Throws
/// std::invalid_argument unless `largest` is finite and not negative.
double product_factor(double largest);

/// The unit of products is 2^-exponent: sums over `columns` coordinates in all shards together stay below 2^62.
int product_exponent(std::int64_t columns);

/// Products in the precision of double, for T = float and double: the p-th of the pairs (i, j), j <= i, in the order
/// (0, 0), (1, 0), (1, 1), (2, 0), ... gets sums[p] += rint(2^exponent sum of (factors[i] x_i) (factors[j] x_j)) per
/// chunk of gram_chunk columns. Every row has a scale of its own (`product_factor`), so that a row with large values
/// does not coarsen the products of the others. `rows` holds the columns of one shard, which starts at a multiple of
/// gram_chunk; sums are integers, so neither the shards nor their order changes them. Threads may add to the same sums.
template <class T>
void add_products(RowView<const T> rows, std::span<const double> factors, int exponent, std::span<std::int64_t> sums);

/// The same for all pairs of a left and a right row: sums [left, right].
template <class T>
void add_products(RowView<const T> left, std::span<const double> left_factors, RowView<const T> right,
                  std::span<const double> right_factors, int exponent, std::span<std::int64_t> sums);

/// The same for every row with itself: sums [rows].
template <class T>
void add_squares(RowView<const T> rows, std::span<const double> factors, int exponent, std::span<std::int64_t> sums);

/// Device forms: all arrays are in device memory; centre is null or has a value per column.
void add_gram(OnDevice device, RowView<const float> rows, const float* centre, GramScale scale, double* gram);
void add_squared_distances(OnDevice device, RowView<const float> rows, GramScale scale, double* distances);
void combine(OnDevice device, const double* weights, RowView<const float> rows, RowView<float> out);

}  // namespace shoal
