#pragma once
// A model from a file of TorchScript, as torch.jit.save writes it.

#include <memory>
#include <string>

#include "sim/nn/learnable.hpp"

namespace shoal {

/// The module in this file, for examples of this form. Its method `forward` takes a batch as PyTorch's layers do:
/// images [b, channels, height, width], vectors [b, n] or tokens [b, t]; it returns the scores [b, classes] or [b, t,
/// vocabulary], or these and the features of the last layer [b, f] as a pair. Parameters and buffers are float32; other
/// buffers, such as the number of batches of a batch norm, are left out and reset with each worker. The initial
/// parameters are those of the file, whatever the key. Batches are padded: a module in which examples see each other
/// sees the padding too. `forward_flops` for one example or token; 0: two for each parameter.
///
/// UserError when the file holds no such module, when the module draws random numbers (dropout), or when its scores for
/// an example have another shape.
std::shared_ptr<const Learnable> torch_script(const std::string& path, const Form& form, at::Device device,
                                              double forward_flops = 0);

}  // namespace shoal
