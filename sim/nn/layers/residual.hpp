#pragma once
// A block of layers with a connection around it.

#include <optional>

#include "sim/nn/network.hpp"

namespace shoal::layers {

/// y = block(x) + x, or block(x) + shortcut(x) with a shortcut, such as a 1 x 1 convolution where the block changes the
/// shape (He et al. 2016, arXiv 1512.03385). Both are networks that were begun with the shape of x. Parameters are
/// named `residual1.conv1.weight` and `residual1.shortcut.conv1.weight`.
std::shared_ptr<const Layer> residual(Network block, std::optional<Network> shortcut = {});

}  // namespace shoal::layers
