#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/device.hpp"
#include "kernels/fixed_point.hpp"
#include "kernels/sparsify.hpp"
#include "kernels/sparsify_bodies.hpp"

namespace shoal {
namespace {

sparse::Chunks chunks_of(RowView<const float> rows) {
  return {rows, (rows.columns() + sparse::chunk - 1) / sparse::chunk};
}

void write(OnDevice device, const sparse::Chunks& chunks, const sparse::RowSearch* search, std::int64_t room,
           std::uint32_t* indices, std::int64_t* counts) {
  const std::int64_t rows = chunks.rows.rows(), blocks = rows * chunks.per_row;
  DeviceArray<sparse::Tally> tallies(device, blocks);
  run_blocks(device, blocks, sparse::CountSelected{chunks, search, tallies.data()});
  run_blocks(device, rows, sparse::SumBefore{chunks.per_row, tallies.data(), counts});
  run_blocks(device, blocks, sparse::WriteSelected{chunks, search, tallies.data(), room, indices});
}

void require_k(std::int64_t k, std::int64_t columns) {
  if (k < 0 || k > columns)
    throw std::invalid_argument(std::to_string(k) + " largest of " + std::to_string(columns) + " values");
}

double scale_of(int exponent) {
  if (exponent < -largest_exponent || exponent > largest_exponent)
    throw std::invalid_argument("fixed-point exponent of " + std::to_string(exponent));
  return std::ldexp(1.0, exponent);
}

// Either `memory` and `update` are empty, or `rows` is `memory`, to which the first pass adds `update`.
void select(OnDevice device, RowView<const float> rows, RowView<float> memory, RowView<const float> update,
            std::int64_t k, std::uint32_t* indices) {
  const auto chunks = chunks_of(rows);
  DeviceArray<sparse::RowSearch> search(device, rows.rows());
  DeviceArray<std::int32_t> histogram(device, rows.rows() * sparse::bins);
  histogram.zero();
  run_elements(device, rows.rows(), sparse::SetSearch{{0, k - 1}, search.data()});
  for (int done = 31; done > 0;) {
    const int shift = done > sparse::digit_bits ? done - sparse::digit_bits : 0;
    run_blocks(device, rows.rows() * chunks.per_row,
               sparse::CountDigits{chunks, memory, done == 31 ? update : RowView<const float>(), done, shift,
                                   search.data(), histogram.data()});
    run_blocks(device, rows.rows(), sparse::FindDigit{shift, search.data(), histogram.data()});
    done = shift;
  }
  write(device, chunks, search.data(), k, indices, nullptr);
}

}  // namespace

void top_k(OnDevice device, RowView<const float> rows, std::int64_t k, std::uint32_t* indices) {
  require_k(k, rows.columns());
  if (k > 0) select(device, rows, {}, {}, k, indices);
}

void at_least(OnDevice device, RowView<const float> rows, float threshold, std::int64_t room, std::uint32_t* indices,
              std::int64_t* counts) {
  if (!(threshold >= 0))
    throw std::invalid_argument("threshold of " + std::to_string(threshold) + " (negative or NaN)");
  DeviceArray<sparse::RowSearch> search(device, rows.rows());
  run_elements(device, rows.rows(), sparse::SetSearch{{sparse::key_of(threshold), rows.columns()}, search.data()});
  write(device, chunks_of(rows), search.data(), room, indices, counts);
}

void random_k(OnDevice device, PhiloxKey key, PhiloxBlock counter, std::uint32_t size, std::int64_t k,
              std::uint32_t* indices) {
  require_k(k, size);
  std::vector<std::uint32_t> drawn(k);
  random_k(key, counter, size, drawn);
  if (k > 0) copy_to_device(device, indices, drawn.data(), drawn.size() * sizeof drawn[0]);
}

void gather(OnDevice device, RowView<const float> rows, std::int64_t k, const std::uint32_t* indices, float* values) {
  run_elements(device, rows.rows() * k, sparse::Gather{rows, {}, k, indices, values});
}

void take(OnDevice device, RowView<float> rows, std::int64_t k, const std::uint32_t* indices, float* values) {
  run_elements(device, rows.rows() * k, sparse::Gather{rows, rows, k, indices, values});
}

void top_k_with_memory(OnDevice device, RowView<float> memory, RowView<const float> update, std::int64_t k,
                       std::uint32_t* indices, float* values) {
  require_k(k, memory.columns());
  if (update.rows() != memory.rows() || update.columns() != memory.columns())
    throw std::invalid_argument("update and memory of different shapes");
  if (memory.columns() == 0) return;
  // With k = 0 the update must still be added to the memory: the first pass does that, and nothing is taken.
  select(device, memory, memory, update, k, indices);
  take(device, memory, k, indices, values);
}

void scatter_add(OnDevice device, std::int64_t* sum, std::int64_t d, std::int64_t k, const std::uint32_t* indices,
                 const float* values, std::int64_t weight, int exponent, std::int32_t* failed) {
  run_elements(device, k, sparse::ScatterAdd{sum, d, indices, values, weight, scale_of(exponent), failed});
}

template <class T>
void scatter_add_rows(OnDevice device, std::int64_t* sum, std::int64_t d, const SparseView<T>& rows,
                      const std::int64_t* weights, int exponent, std::int64_t* bad_row) {
  run_rows(device, rows.rows, sparse::ScatterAddRows<T>{sum, d, rows, weights, scale_of(exponent), bad_row});
}

template void scatter_add_rows<float>(OnDevice, std::int64_t*, std::int64_t, const SparseView<float>&,
                                      const std::int64_t*, int, std::int64_t*);
template void scatter_add_rows<double>(OnDevice, std::int64_t*, std::int64_t, const SparseView<double>&,
                                       const std::int64_t*, int, std::int64_t*);

}  // namespace shoal
