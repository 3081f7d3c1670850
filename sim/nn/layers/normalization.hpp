#pragma once
// Loops that batch and group norm share, over the pixels of an image stored channels last: x is [pixels, channels]. All
// are sums and expressions per channel, so that they run along the channels.

#include <cstdint>
#include <span>

namespace shoal::layers {

inline constexpr double norm_epsilon = 1e-5;  // added to variances; PyTorch's default

/// sums[c] += the channel's values.
void add_values(std::int64_t pixels, const float* x, std::span<double> sums);
/// sums[c] += the squared distances of the channel's values to mean[c].
void add_squares(std::int64_t pixels, const float* x, const float* mean, std::span<double> sums);
/// y = (x - mean) factor + offset, these three per channel.
void scale_values(std::int64_t pixels, std::int64_t channels, const float* x, const float* mean, const float* factor,
                  const float* offset, float* y);
/// sums[c] += dy; products[c] += dy (x - mean).
void add_gradients(std::int64_t pixels, const float* dy, const float* x, const float* mean, std::span<double> sums,
                   std::span<double> products);
/// dx = dy a + (x - mean) b + c, these per channel.
void scale_gradients(std::int64_t pixels, std::int64_t channels, const float* dy, const float* x, const float* mean,
                     const float* a, const float* b, const float* c, float* dx);

}  // namespace shoal::layers
