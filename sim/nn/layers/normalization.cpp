#include "sim/nn/layers/normalization.hpp"

namespace shoal::layers {

void add_values(std::int64_t pixels, const float* __restrict x, std::span<double> sums) {
  double* __restrict to = sums.data();
  const std::size_t channels = sums.size();
  for (std::int64_t p = 0; p < pixels; ++p, x += channels) {
    for (std::size_t c = 0; c < channels; ++c) to[c] += x[c];
  }
}

void add_squares(std::int64_t pixels, const float* __restrict x, const float* __restrict mean, std::span<double> sums) {
  double* __restrict to = sums.data();
  const std::size_t channels = sums.size();
  for (std::int64_t p = 0; p < pixels; ++p, x += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double distance = x[c] - mean[c];
      to[c] += distance * distance;
    }
  }
}

void scale_values(std::int64_t pixels, std::int64_t channels, const float* __restrict x, const float* __restrict mean,
                  const float* __restrict factor, const float* __restrict offset, float* __restrict y) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
    for (std::int64_t c = 0; c < channels; ++c) y[c] = (x[c] - mean[c]) * factor[c] + offset[c];
  }
}

void add_gradients(std::int64_t pixels, const float* __restrict dy, const float* __restrict x,
                   const float* __restrict mean, std::span<double> sums, std::span<double> products) {
  double* __restrict sum = sums.data(), * __restrict product = products.data();
  const std::size_t channels = sums.size();
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, dy += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double g = dy[c];
      sum[c] += g;
      product[c] += g * (x[c] - mean[c]);
    }
  }
}

void scale_gradients(std::int64_t pixels, std::int64_t channels, const float* __restrict dy, const float* __restrict x,
                     const float* __restrict mean, const float* __restrict a, const float* __restrict b,
                     const float* __restrict c, float* __restrict dx) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, dy += channels, dx += channels) {
    for (std::int64_t i = 0; i < channels; ++i) dx[i] = dy[i] * a[i] + (x[i] - mean[i]) * b[i] + c[i];
  }
}

}  // namespace shoal::layers
