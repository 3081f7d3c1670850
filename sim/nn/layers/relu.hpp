#pragma once
// The rectifier.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// max(x, 0).
std::shared_ptr<const Layer> relu();

}  // namespace shoal::layers
