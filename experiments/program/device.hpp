#pragma once
// `device = "auto" | "cpu" | "cuda"`: where a cell is computed.

#include <ATen/core/Tensor.h>

#include <string>

#include "sim/comm/communicator.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// The GPUs that this program sees, and whether it was built to use them.
struct Machine {
  bool built_for_gpus = false;
  int gpus = 0;
};
Machine this_machine();

/// The device that a cell with these settings is computed on; reads `device`. "auto" is a GPU where this program can
/// use one. UserError when it is "cuda" and there is none.
at::Device choose_device(const Settings& root, const Machine& machine);

/// The device as the run file names it: "cpu", or "cuda: NVIDIA H100 80GB HBM3, compute capability 9.0".
std::string device_name(at::Device device);

/// Selects this rank's GPU by the rank's number on its machine; does nothing for the CPU. Collective over `group`;
/// UserError when its ranks found different devices.
void take_device(at::Device device, Communicator& group);

}  // namespace shoal
