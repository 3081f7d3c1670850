#include "sim/nn/device.hpp"

#include <ATen/Context.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdlib>

namespace shoal {

OnDevice current_stream() { return {c10::cuda::getCurrentCUDAStream().stream()}; }

void fix_device_arithmetic() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // read when cuBLAS starts: its results may depend on workspaces
  at::Context& context = at::globalContext();
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);  // benchmarks would choose algorithms by measured times
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
}

}  // namespace shoal
