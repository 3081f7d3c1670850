#pragma once
// Gaussian noise that is a pure function of (key, stream, column): any range of any row can be drawn anywhere, in any
// order. Statistical, not cryptographic (philox.hpp).

#include <span>

#include "kernels/launch.hpp"
#include "kernels/philox.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// Names a stream of noise: the first three words of the Philox counter. The fourth counts blocks.
struct NoiseStream {
  std::uint32_t word[3] = {};
};

/// out[k][j] = deviation z, where z is standard normal number first_column + j of streams[k] (Box and Muller 1958, in
/// double): block i gives numbers 2 i (cosine) and 2 i + 1 (sine). Throws std::invalid_argument unless there are K
/// streams and columns lie in [0, 2^33).
template <class T>
void fill_normals(RowView<T> out, PhiloxKey key, std::span<const NoiseStream> streams, double deviation,
                  std::int64_t first_column = 0);

/// rows[k][j] += the same number, rounded to T before it is added.
template <class T>
void add_normals(RowView<T> rows, PhiloxKey key, std::span<const NoiseStream> streams, double deviation,
                 std::int64_t first_column = 0);

// On the device (device.hpp), with the streams in device memory. The random words are those of the host; logarithm,
// sine and cosine are the device's own, so the last bits of the numbers depend on the type of device.

template <class T>
void fill_normals(OnDevice device, RowView<T> out, PhiloxKey key, const NoiseStream* streams, double deviation,
                  std::int64_t first_column = 0);
template <class T>
void add_normals(OnDevice device, RowView<T> rows, PhiloxKey key, const NoiseStream* streams, double deviation,
                 std::int64_t first_column = 0);

}  // namespace shoal
