#include "kernels/noise.hpp"

#include "kernels/noise_bodies.hpp"

namespace shoal {
namespace {

template <Noise kind, class T>
void draw(RowView<T> rows, PhiloxKey key, std::span<const NoiseStream> streams, double deviation, std::int64_t first) {
  require_size("streams", streams.size(), rows.rows());
  require_columns(first, rows.columns());
  const std::int64_t begin = first_block(first), end = begin + blocks_of(first, rows.columns());
  for (std::int64_t k = 0; k < rows.rows(); ++k)
    for (std::int64_t block = begin; block < end; ++block)
      draw_block<kind>(rows.at(k), first, rows.columns(), key, streams[k], block, deviation);
}

}  // namespace

template <class T>
void fill_normals(RowView<T> out, PhiloxKey key, std::span<const NoiseStream> streams, double deviation,
                  std::int64_t first_column) {
  draw<Noise::fill>(out, key, streams, deviation, first_column);
}

template <class T>
void add_normals(RowView<T> rows, PhiloxKey key, std::span<const NoiseStream> streams, double deviation,
                 std::int64_t first_column) {
  draw<Noise::add>(rows, key, streams, deviation, first_column);
}

#define SHOAL_INSTANTIATE(T)                                                                                \
  template void fill_normals<T>(RowView<T>, PhiloxKey, std::span<const NoiseStream>, double, std::int64_t); \
  template void add_normals<T>(RowView<T>, PhiloxKey, std::span<const NoiseStream>, double, std::int64_t);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
