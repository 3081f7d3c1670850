// Device form of noise: a thread draws a block of two numbers.

#include "kernels/noise_bodies.hpp"
#include "kernels/row_tiles.hpp"

namespace shoal {
namespace {

template <Noise kind, class T>
struct Draw {
  RowView<T> rows;
  PhiloxKey key;
  const NoiseStream* streams;
  double deviation;
  std::int64_t first, begin;

  SHOAL_HD void operator()(std::int64_t k, std::int64_t block) const {
    draw_block<kind>(rows.at(k), first, rows.columns(), key, streams[k], begin + block, deviation);
  }
};

template <Noise kind, class T>
void draw(OnDevice device, RowView<T> rows, PhiloxKey key, const NoiseStream* streams, double deviation,
          std::int64_t first) {
  require_columns(first, rows.columns());
  run_over_rows(device, rows.rows(), blocks_of(first, rows.columns()),
                Draw<kind, T>{rows, key, streams, deviation, first, first_block(first)});
}

}  // namespace

template <class T>
void fill_normals(OnDevice device, RowView<T> out, PhiloxKey key, const NoiseStream* streams, double deviation,
                  std::int64_t first_column) {
  draw<Noise::fill>(device, out, key, streams, deviation, first_column);
}

template <class T>
void add_normals(OnDevice device, RowView<T> rows, PhiloxKey key, const NoiseStream* streams, double deviation,
                 std::int64_t first_column) {
  draw<Noise::add>(device, rows, key, streams, deviation, first_column);
}

#define SHOAL_INSTANTIATE(T)                                                                                \
  template void fill_normals<T>(OnDevice, RowView<T>, PhiloxKey, const NoiseStream*, double, std::int64_t); \
  template void add_normals<T>(OnDevice, RowView<T>, PhiloxKey, const NoiseStream*, double, std::int64_t);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
