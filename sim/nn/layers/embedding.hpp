#pragma once
// Vectors in place of tokens.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// Gives each of the n values of an example, which are tokens from 0 to vocabulary - 1, its row of weight [vocabulary,
/// width]. The result has the shape {width, 1, n}, a row of n pixels with `width` channels. Comes first in a network:
/// tokens have no gradient. A value that is no token is an error.
std::shared_ptr<const Layer> embedding(std::int64_t vocabulary, std::int64_t width);

}  // namespace shoal::layers
