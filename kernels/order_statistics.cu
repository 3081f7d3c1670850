#include <stdexcept>

#include "kernels/order_statistics.hpp"
#include "kernels/order_statistics_bodies.hpp"

namespace shoal {
namespace {

constexpr int few_rows = 64;
template <class T>
constexpr int most_sorted_rows = 1280 / sizeof(T);  // 40 KiB of shared memory

template <class T>
void run(OnDevice device, const order::Columns<T>& columns) {
  const std::int64_t blocks = (columns.rows.columns() + order::block_columns - 1) / order::block_columns;
  const std::int64_t n = columns.rows.rows();
  if (n <= few_rows) return run_blocks(device, blocks, order::SortColumns<T, few_rows>{columns});
  if (n <= most_sorted_rows<T>) return run_blocks(device, blocks, order::SortColumns<T, most_sorted_rows<T>>{columns});
  run_blocks(device, blocks, order::SelectColumns<T>{columns});
}

}  // namespace

template <class T>
void medians(OnDevice device, RowView<const T> rows, T* out) {
  if (rows.rows() == 0) throw std::invalid_argument("the median of no rows");
  run<T>(device, {order::Statistic::median, rows, 0, out});
}

template <class T>
void trimmed_means(OnDevice device, RowView<const T> rows, std::int64_t dropped, T* out) {
  require_majority(rows.rows(), dropped);
  run<T>(device, {order::Statistic::trimmed_mean, rows, dropped, out});
}

template <class T>
void means_around_median(OnDevice device, RowView<const T> rows, std::int64_t dropped, T* out) {
  require_majority(rows.rows(), dropped);
  run<T>(device, {order::Statistic::mean_around_median, rows, dropped, out});
}

#define SHOAL_INSTANTIATE(T)                                                    \
  template void medians<T>(OnDevice, RowView<const T>, T*);                     \
  template void trimmed_means<T>(OnDevice, RowView<const T>, std::int64_t, T*); \
  template void means_around_median<T>(OnDevice, RowView<const T>, std::int64_t, T*);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
