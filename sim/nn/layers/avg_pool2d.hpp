#pragma once
// Average pooling of images.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// The mean of each channel over the whole image: a vector of as many values as there are channels.
std::shared_ptr<const Layer> global_avg_pool2d();

}  // namespace shoal::layers
