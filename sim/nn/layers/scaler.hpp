#pragma once
// A constant factor during training.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// Multiplies by `factor` in training and passes values on in an evaluation. A smaller variant of a network trains with
/// 1 / ratio, so that its activations are as large as those of the whole, which is evaluated without (Diao et al. 2021,
/// HeteroFL, arXiv 2010.01264).
std::shared_ptr<const Layer> scaler(double factor);

}  // namespace shoal::layers
