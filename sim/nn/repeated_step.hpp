#pragma once
// Work that is done many times with the same shapes. On a GPU it becomes a CUDA graph: small kernels then follow each
// other without waiting for the host to start them. Implemented by repeated_step_cuda.cpp or repeated_step_host.cpp.

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace shoal {

/// One step, for one (model, K, batch). On the CPU it is simply called. On a GPU the first calls run it on a side
/// stream, since libraries allocate memory and choose algorithms when they first see a shape; then it is recorded, and
/// from then on replayed: its host code no longer runs. So a step that may run on a GPU keeps its inputs and outputs at
/// fixed addresses, waits for nothing, copies nothing from or to the host, and does the same work each time.
///
/// The step runs after the work that was queued on the current stream before the call, and before what is queued later.
class RepeatedStep {
 public:
  explicit RepeatedStep(at::Device device);
  ~RepeatedStep();
  RepeatedStep(RepeatedStep&&) noexcept;
  RepeatedStep& operator=(RepeatedStep&&) noexcept;

  /// Runs `step` once; it must be the same work in every call.
  void operator()(const std::function<void()>& step);

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;  // null on the CPU
};

}  // namespace shoal
