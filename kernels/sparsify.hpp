#pragma once
// Sparse updates: choosing the coordinates to send, keeping the rest in a memory (error feedback), and adding sent
// values to an exact sum. Values are float, indices have 32 bits and ascend, as on the wire. Stich, Cordonnier, Jaggi:
// Sparsified SGD with memory, NeurIPS 2018 (top-k, random-k, memory); Aji, Heafield: Sparse communication for
// distributed gradient descent, EMNLP 2017 (threshold); Karimireddy et al.: Error feedback fixes signSGD, ICML 2019
// (arXiv 1901.09847).
//
// Magnitudes are ordered by the bits of |x|: -0 equals +0, infinity is the largest magnitude and is selected like any
// value. NaN has no place in that order: host forms reject it with std::invalid_argument; device forms, which cannot
// report it, treat it as larger than infinity, so that it is always selected and then found by scatter_add. Rows have
// fewer than 2^32 values (std::invalid_argument).

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/launch.hpp"
#include "kernels/philox.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// Fills `indices` with the indices of the values of largest magnitude in x; of equal magnitudes the lowest indices are
/// taken. Throws std::invalid_argument if x has fewer values. Returns how often x was read from end to end: once if a
/// sample of it gave a good threshold, 4 times at most.
int top_k(std::span<const float> x, std::span<std::uint32_t> indices);

/// Indices of all |x[i]| >= threshold, which is not negative (std::invalid_argument).
std::vector<std::uint32_t> at_least(std::span<const float> x, float threshold);

/// Fills `indices` with a uniformly random set of indices below `size`, without replacement: the first distinct ones in
/// a sequence of uniform draws. Draw j is one half of the Philox block of `counter`, whose last word must be 0 and is
/// replaced by j / 2; its bias is below size 2^-64. The indices do not depend on data, so they need not be sent.
void random_k(PhiloxKey key, PhiloxBlock counter, std::uint32_t size, std::span<std::uint32_t> indices);

/// values[j] = x[indices[j]].
void gather(std::span<const float> x, std::span<const std::uint32_t> indices, std::span<float> values);

/// values[j] = x[indices[j]], then x[indices[j]] = 0: afterwards x holds what was not sent.
void take(std::span<float> x, std::span<const std::uint32_t> indices, std::span<float> values);

/// Error feedback: memory += update, then the top_k of memory are taken out as by take. The addition happens while the
/// sum is first read. Returns the same as top_k. `values` and `indices` have equal sizes.
int top_k_with_memory(std::span<float> memory, std::span<const float> update, std::span<std::uint32_t> indices,
                      std::span<float> values);

/// sum[indices[j]] += rint(values[j] 2^exponent) * weight, as accumulate in fixed_point.hpp. Throws std::out_of_range
/// for an index beyond the sum and std::overflow_error for a product of 2^63 (1 - 2^-50) or more, NaN and infinity
/// included; `sum` is then unspecified.
void scatter_add(std::span<std::int64_t> sum, std::span<const std::uint32_t> indices, std::span<const float> values,
                 std::int64_t weight, int exponent);
void scatter_add(std::span<std::int64_t> sum, std::span<const std::uint32_t> indices, std::span<const double> values,
                 std::int64_t weight, int exponent);

// --- Device forms: views and pointers of device memory, a row per client --------------------------------------------

/// indices [rows, k]: the result of top_k for each row. Reads the rows five times.
void top_k(OnDevice device, RowView<const float> rows, std::int64_t k, std::uint32_t* indices);

/// Writes the first `room` indices of at_least for each row into indices [rows, room], and the number of all of them
/// into counts [rows]. Reads the rows twice.
void at_least(OnDevice device, RowView<const float> rows, float threshold, std::int64_t room, std::uint32_t* indices,
              std::int64_t* counts);

/// The same indices as on the host: they are drawn there and copied in stream order.
void random_k(OnDevice device, PhiloxKey key, PhiloxBlock counter, std::uint32_t size, std::int64_t k,
              std::uint32_t* indices);

/// indices and values [rows, k].
void gather(OnDevice device, RowView<const float> rows, std::int64_t k, const std::uint32_t* indices, float* values);
void take(OnDevice device, RowView<float> rows, std::int64_t k, const std::uint32_t* indices, float* values);

/// memory += update and top_k_with_memory for each row; `update` has the shape of `memory`.
void top_k_with_memory(OnDevice device, RowView<float> memory, RowView<const float> update, std::int64_t k,
                       std::uint32_t* indices, float* values);

/// Adds k values of one client to sum [d]. Sets *failed to 1 instead of throwing, and skips the values that fail.
void scatter_add(OnDevice device, std::int64_t* sum, std::int64_t d, std::int64_t k, const std::uint32_t* indices,
                 const float* values, std::int64_t weight, int exponent, std::int32_t* failed);

/// Sparse rows one after another: row k has the entries starts[k] to starts[k + 1] - 1 of indices and values.
template <class T>
struct SparseView {
  std::int64_t rows;
  const std::int64_t* starts;
  const std::uint32_t* indices;
  const T* values;
};

/// Adds the rows to sum [d] with one weight each; rows of weight 0 are skipped. Lowers *bad_row, as accumulate_rows
/// does, to the first row with a value or an index that does not fit, and skips such values. T = float or double.
template <class T>
void scatter_add_rows(OnDevice device, std::int64_t* sum, std::int64_t d, const SparseView<T>& rows,
                      const std::int64_t* weights, int exponent, std::int64_t* bad_row);

}  // namespace shoal
