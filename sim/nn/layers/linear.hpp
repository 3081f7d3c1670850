#pragma once
// The dense layer.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// y = x W^T + b on plain vectors; weight [units, in], bias [units].
std::shared_ptr<const Layer> linear(std::int64_t units);

}  // namespace shoal::layers
