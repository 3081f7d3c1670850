#pragma once
// Models written as tensor operations, differentiated by LibTorch. They need no backward pass of their own; each client
// is computed alone, which costs more time for each operation than the stacked layers do.

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "sim/nn/learnable.hpp"

namespace shoal {

/// In a training pass, buffers among the parameters may be changed.
enum class Pass : std::int8_t { training, evaluation };

/// A model as a function of its parameters and one client's batch. Immutable; called by several threads at once.
class TensorModel {
 public:
  virtual ~TensorModel() = default;
  /// Name, shape and role of each.
  virtual std::vector<Parameter> parameters() const = 0;
  /// Fills in the initial values of this one, which are 0 before.
  virtual void initialize(const Parameter& parameter, std::span<float> values, RandomStream& random) const = 0;
  /// Floating-point operations of the forward pass for one example, or one token where targets are tokens.
  virtual double forward_flops() const = 0;
  /// Scores [b, ...] and, if the model names them, features [b, f]. `parameters` are in the order listed; buffers have
  /// no gradient. Draws no random numbers. Rows of weight 0 must not change the others.
  virtual Outputs forward(std::span<const at::Tensor> parameters, const Gathered& batch, Pass pass) const = 0;
};

/// The model with its parameters laid out one after the other, on this device.
std::shared_ptr<const Learnable> autograd(const Form& form, std::shared_ptr<const TensorModel> model,
                                          at::Device device);

// For workers of other kinds of functions.
/// Stacks the outputs of single clients, without their graphs.
Outputs stacked(std::span<const Outputs> clients);
/// Differentiates one client's outputs and uses the gradients: leaves[i] belongs to targets[i].
void backward(const Outputs& outputs, const Outputs& gradients, std::int64_t client, std::span<const at::Tensor> leaves,
              std::span<const at::Tensor> targets, const GradientUse& use);

}  // namespace shoal
