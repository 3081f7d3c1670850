#pragma once
// Gaussian noise that is a pure function of (key, stream, column): any range of any row can be drawn anywhere, in any
// order. Statistical, not cryptographic (philox.hpp).

#include <span>

#include "kernels/launch.hpp"
#include "kernels/philox.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// Who draws: the first three words of the Philox counter. The fourth counts blocks.
struct PhiloxStream {
  std::uint32_t word[3] = {};
};

/// out[k][j] = deviation z, where z is standard normal number first_column + j of streams[k] (Box and Muller 1958, in
/// double): block i gives numbers 2 i (cosine) and 2 i + 1 (sine). Throws std::invalid_argument unless there are K
/// streams and columns lie in [0, 2^33).
template <class T>
void fill_normals(RowView<T> out, PhiloxKey key, std::span<const PhiloxStream> streams, double deviation,
                  std::int64_t first_column = 0);

/// rows[k][j] += that number, rounded to T before it is added.
template <class T>
void add_normals(RowView<T> rows, PhiloxKey key, std::span<const PhiloxStream> streams, double deviation,
                 std::int64_t first_column = 0);

// On the device (device.hpp), with the streams there too. The random words are the host's; logarithm, sine and cosine
// are the device's own, so the last bits of the numbers are the same per device type only.

template <class T>
void fill_normals(OnDevice device, RowView<T> out, PhiloxKey key, const PhiloxStream* streams, double deviation,
                  std::int64_t first_column = 0);
template <class T>
void add_normals(OnDevice device, RowView<T> rows, PhiloxKey key, const PhiloxStream* streams, double deviation,
                 std::int64_t first_column = 0);

}  // namespace shoal
