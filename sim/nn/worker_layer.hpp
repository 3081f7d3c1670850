#pragma once
// A worker in place of the layers of a stack.

#include <vector>

#include "sim/nn/learnable.hpp"

namespace shoal {

/// The shape of the inputs of one example: `length` values where features are tokens.
Shape input_shape(const Form& form, std::int64_t length);

/// Hands the inputs to a worker, and its scores to the loss. Weights and masks of the batches are those of `output`,
/// which has a row for each target.
class WorkerLayer final : public StackedLayer {
 public:
  WorkerLayer(const Form& form, Worker& worker, const Activation& input, const Activation& output);

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }
  void forward() override { give(worker_.forward(batches(), active_)); }
  void evaluate() override { give(worker_.evaluate(batches(), active_)); }
  void backward(const GradientUse& use) override;

 private:
  std::span<const Gathered> batches();
  void give(const Outputs& outputs);

  Worker& worker_;
  Activation input_, output_;
  bool tokens_, tokens_out_;
  std::int64_t active_;
  std::vector<std::int64_t> scores_;  // sizes of the worker's scores but the first
  std::vector<Gathered> batches_;
};

}  // namespace shoal
