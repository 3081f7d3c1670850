#pragma once
// Tensors on a GPU: which of them are there, and the stream that LibTorch and Shoal's kernels share. Implemented by
// device_cuda.cpp or device_host.cpp, whichever CMake chose.
//
// A function waits for the device only where its comment says so. In a round, these wait:
// - per block and channel: one copy of the rows' ranges (Rows::bounds), and one of their norms where a stage wants
//   them (Rows::norms);
// - per block: one copy of the losses, and one of each memory slot that was written;
// - per round: the sums, if they go through the host, and the check that the model is finite;
// - per evaluated chunk: one copy of loss and correct predictions.

#include <ATen/core/Tensor.h>

#include <string>

#include "kernels/launch.hpp"

namespace shoal {

/// Whether kernels must take their device form for this tensor. (Host forms read host memory.)
bool on_device(const at::Tensor& tensor);

/// The calling thread's current stream of LibTorch on its current GPU: work queued there is ordered with LibTorch's
/// own.
OnDevice current_stream();

/// Makes LibTorch's arithmetic on GPUs repeatable: deterministic convolutions, no TF32, fixed workspaces. Must be
/// called before the process first uses a GPU.
void fix_device_arithmetic();

}  // namespace shoal
