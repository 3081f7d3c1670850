#pragma once
// Group normalization.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// Normalizes each example by mean and variance of each of `groups` groups of consecutive channels, then multiplies by
/// weight and adds bias [channels]. One group is layer norm over an image, as many groups as channels instance norm.
std::shared_ptr<const Layer> group_norm(std::int64_t groups);

}  // namespace shoal::layers
