#include "sim/nn/device.hpp"

namespace shoal {

// Alone in its file, so that a test can put another definition in its place and send host tensors through the device's
// branches (tests/sim/round/device_rounds.cpp).
bool on_device(const at::Tensor& tensor) { return tensor.is_cuda(); }

}  // namespace shoal
