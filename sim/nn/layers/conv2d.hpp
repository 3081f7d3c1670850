#pragma once
// The convolution of images.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// Convolution with stride 1 and `padding` zeros at each border; weight [channels, in, kernel, kernel], bias
/// [channels].
std::shared_ptr<const Layer> conv2d(std::int64_t channels, std::int64_t kernel, std::int64_t padding = 0);

}  // namespace shoal::layers
