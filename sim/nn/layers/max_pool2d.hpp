#pragma once
// Max pooling of images.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// The largest value of each size x size window; windows do not overlap, incomplete ones are dropped.
std::shared_ptr<const Layer> max_pool2d(std::int64_t size);

}  // namespace shoal::layers
