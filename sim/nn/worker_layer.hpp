#pragma once
// A worker in place of the layers of a stack.

#include "sim/nn/learnable.hpp"

namespace shoal {

/// Hands the batches of K clients to a worker, and its scores to the loss.
class WorkerLayer final : public StackedLayer {
 public:
  /// The worker and the batches must live longer. `output` has a row for each target.
  WorkerLayer(Worker& worker, std::span<const Gathered> batches, const Activation& output)
      : worker_(worker), batches_(batches), output_(output), active_(output.clients()) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }
  void forward() override { take(worker_.forward(batches_, active_)); }
  void evaluate() override { take(worker_.evaluate(batches_, active_)); }
  void backward(const GradientUse& use) override { backward(use, {}); }
  /// The same with a gradient of the features, if it is defined.
  void backward(const GradientUse& use, const at::Tensor& of_features);

  /// The features of the last pass; undefined where the model names none.
  const at::Tensor& features() const { return features_; }

 private:
  void take(Outputs outputs);

  Worker& worker_;
  std::span<const Gathered> batches_;
  Activation output_;
  at::Tensor features_;
  std::int64_t active_;
};

}  // namespace shoal
