#pragma once
// The convolution of images.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// Before a normalization, which takes away each channel's mean, a bias has no effect.
enum class Bias : std::int8_t { own, none };

/// Convolution with `padding` zeros at each border; weight [channels, in, kernel, kernel], bias [channels].
std::shared_ptr<const Layer> conv2d(std::int64_t channels, std::int64_t kernel, std::int64_t padding = 0,
                                    std::int64_t stride = 1, Bias bias = Bias::own);

}  // namespace shoal::layers
