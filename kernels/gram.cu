#include "kernels/device.hpp"
#include "kernels/gram_bodies.hpp"

namespace shoal {
namespace {

template <bool distances>
void add(OnDevice device, RowView<const float> rows, const float* centre, GramScale scale, double* matrix) {
  const std::int64_t n = rows.rows(), tiles = (n + gram::tile - 1) / gram::tile;
  const std::int64_t chunks = (rows.columns() + gram_chunk - 1) / gram_chunk;
  if (n == 0 || chunks == 0) return;
  DeviceArray<std::int64_t> sums(device, n * n);
  sums.zero();
  run_blocks(device, tiles * (tiles + 1) / 2 * chunks,
             gram::AddTile<distances>{rows, centre, scale, chunks, sums.data()});
  run_elements(device, n * n, gram::AddSums{n, sums.data(), scale.unit / scale.factor / scale.factor, matrix});
}

}  // namespace

void add_gram(OnDevice device, RowView<const float> rows, const float* centre, GramScale scale, double* gram) {
  add<false>(device, rows, centre, scale, gram);
}

void add_squared_distances(OnDevice device, RowView<const float> rows, GramScale scale, double* distances) {
  add<true>(device, rows, nullptr, scale, distances);
}

void combine(OnDevice device, const double* weights, RowView<const float> rows, RowView<float> out) {
  const std::int64_t groups = (out.rows() + gram::Combine::group - 1) / gram::Combine::group;
  run_elements(device, groups * rows.columns(), gram::Combine{weights, rows, out});
}

}  // namespace shoal
