#include "experiments/program/device.hpp"

#include "kernels/device.hpp"
#include "sim/comm/gather_text.hpp"
#include "sim/nn/device.hpp"

namespace shoal {
namespace {

enum class Wanted { automatic, cpu, cuda };

}  // namespace

Machine this_machine() {
  const int gpus = gpu_count();
  // A build without nvcc has the host as its device.
  return {.built_for_gpus = gpus > 0 || !has_device(), .gpus = gpus};
}

at::Device choose_device(const Settings& root, const Machine& machine) {
  const Wanted wanted = root.choice("device", Wanted::automatic,
                                    {{"auto", Wanted::automatic}, {"cpu", Wanted::cpu}, {"cuda", Wanted::cuda}},
                                    "device that computes; 'auto': a GPU if there is one");
  if (wanted == Wanted::cuda && !machine.built_for_gpus) {
    user_error(
        "{}: device = \"cuda\" (this program was built without CUDA). Build it with 'cmake --preset cuda', or set "
        "device = \"cpu\".",
        root.where());
  }
  if (wanted == Wanted::cuda && machine.gpus == 0) {
    user_error(
        "{}: device = \"cuda\" (no GPU was found). Run it where 'nvidia-smi -L' lists one, or set device = \"cpu\".",
        root.where());
  }
  return wanted != Wanted::cpu && machine.gpus > 0 ? at::kCUDA : at::kCPU;
}

std::string device_name(at::Device device) { return device.is_cuda() ? "cuda: " + device_description() : "cpu"; }

void take_device(at::Device device, Communicator& group) {
  if (device.is_cuda()) {
    fix_device_arithmetic();
    use_device(group.local_rank() % gpu_count());
  }
  const std::string mine = device_name(device);
  const std::vector<std::string> names = gather_text(group, mine);
  for (std::size_t r = 0; r < names.size(); ++r) {
    if (names[r] == mine) continue;
    user_error(
        "ranks {} and {} compute on different devices ({}; {}), which give different bits. Use nodes of one kind.",
        group.rank(), r, mine, names[r]);
  }
}

}  // namespace shoal
