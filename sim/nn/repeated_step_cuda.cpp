#include "sim/nn/repeated_step.hpp"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace shoal {
namespace {

constexpr int warm_up = 3;  // calls before the recording; PyTorch's guide to CUDA graphs takes as many

}  // namespace

struct RepeatedStep::Graph {
  int calls = 0;
  at::cuda::CUDAGraph recorded;

  // Works on a stream of its own, since the default stream cannot be recorded. Recording does not run the step.
  void prepare(const std::function<void()>& step) {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream();
    const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
    at::cuda::CUDAEvent before, after;
    before.record(current);
    before.block(side);
    {
      const c10::cuda::CUDAStreamGuard on_side(side);
      if (calls < warm_up) {
        step();
      } else {
        // Other threads may allocate memory during the recording.
        recorded.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
        step();
        recorded.capture_end();
      }
    }
    after.record(side);
    after.block(current);
  }
};

RepeatedStep::RepeatedStep(at::Device device) : graph_(device.is_cuda() ? std::make_unique<Graph>() : nullptr) {}
RepeatedStep::~RepeatedStep() = default;
RepeatedStep::RepeatedStep(RepeatedStep&&) noexcept = default;
RepeatedStep& RepeatedStep::operator=(RepeatedStep&&) noexcept = default;

void RepeatedStep::operator()(const std::function<void()>& step) {
  if (!graph_) return step();
  if (graph_->calls <= warm_up) graph_->prepare(step);
  if (graph_->calls >= warm_up) graph_->recorded.replay();
  ++graph_->calls;
}

}  // namespace shoal
