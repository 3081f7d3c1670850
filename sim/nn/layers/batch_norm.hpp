#pragma once
// Batch normalization.

#include "sim/nn/layers/layer.hpp"

namespace shoal::layers {

/// Normalizes each channel by mean and variance over the examples that take part and their pixels, then multiplies by
/// weight and adds bias [channels]. Training passes move running_mean and running_var [channels] a tenth of the way to
/// the batch's (with the unbiased variance), and evaluations normalize by these: PyTorch's defaults, but for a single
/// value per channel, which gives a variance of 0 instead of an error. The running values are buffers. Statistics are
/// those of a pass: a gradient over many examples, computed in chunks, normalizes within each chunk.
std::shared_ptr<const Layer> batch_norm();

}  // namespace shoal::layers
