#include "sim/nn/worker_layer.hpp"

namespace shoal {

void WorkerLayer::take(Outputs outputs) {
  output_.value.narrow(0, 0, active_).copy_(outputs.scores.flatten(1, -2));
  features_ = std::move(outputs.features);
}

void WorkerLayer::backward(const GradientUse& use, const at::Tensor& of_features) {
  const at::Tensor rows = output_.gradient.narrow(0, 0, active_);
  const at::Tensor& targets = batches_[0].targets;  // [B], or [B, t] with scores [K, B, t, vocabulary]
  const at::Tensor scores =
      targets.dim() == 2 ? rows.view({active_, targets.size(0), targets.size(1), rows.size(2)}) : rows;
  worker_.backward({.scores = scores, .features = of_features}, use);
}

}  // namespace shoal
