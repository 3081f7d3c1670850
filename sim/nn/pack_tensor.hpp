#pragma once
// Tensors in a flat byte string: type, shape, values. Values are those of host memory.

#include <ATen/core/Tensor.h>

#include "sim/files/packing.hpp"

namespace shoal {

/// Packs a tensor of float32, float64, int32 or int64; one on a GPU is copied to the host first.
void pack_tensor(Packer& packer, const at::Tensor& tensor);

/// The tensor, on the host. UserError, naming the unpacker's source, where its type is another one or its bytes do not
/// fit its shape.
at::Tensor unpack_tensor(Unpacker& unpacker);

}  // namespace shoal
