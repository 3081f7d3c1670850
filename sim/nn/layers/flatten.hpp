#pragma once
// From images to vectors.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// Images to plain vectors, channel by channel (PyTorch's order).
std::shared_ptr<const Layer> flatten();

}  // namespace shoal::layers
