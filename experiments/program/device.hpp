#pragma once
// `device = "auto" | "cpu" | "cuda"`: where a cell is computed.

#include <ATen/core/Tensor.h>

#include <string>

#include "sim/comm/communicator.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// What this program finds: GPUs, and whether it was built to use them.
struct Machine {
  bool built_for_gpus = false;
  int gpus = 0;
};
Machine this_machine();

/// The device that a cell with these settings is computed on; reads `device`. "auto" is a GPU where this program can
/// use one. UserError where "cuda" was asked for and cannot be had.
at::Device choose_device(const Settings& root, const Machine& machine);

/// What the run file says about it: "cpu", or "cuda: NVIDIA H100 80GB HBM3, compute capability 9.0".
std::string device_name(at::Device device);

/// Makes one GPU this rank's own, by its number on its machine; nothing is to be done for the CPU. Collective over
/// `group`; UserError where its ranks found different devices.
void take_device(at::Device device, Communicator& group);

}  // namespace shoal
