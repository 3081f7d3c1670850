#pragma once
// Consecutive layers at work on K clients.

#include <memory>
#include <span>
#include <vector>

#include "sim/nn/layers/layer.hpp"
#include "sim/nn/network.hpp"

namespace shoal {

/// The layers of a network at work on one input. Where the input has no gradient, neither have the values before the
/// first layer with parameters.
class LayerStack final : public StackedLayer {
 public:
  /// `own` are the network's parameters, with their offsets in `rows`.
  LayerStack(const Network& network, const Activation& input, const ParameterRows& rows, std::span<const Parameter> own,
             const StackForm& form);

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override;
  void forward() override;
  void evaluate() override;
  void backward(const GradientUse& use) override { backward(use, {}); }

  /// The input of the last layer.
  const Activation& features() const { return features_; }
  /// The same with a further gradient of the features of the first clients, if it is defined.
  void backward(const GradientUse& use, const at::Tensor& of_features);

 private:
  std::vector<std::unique_ptr<StackedLayer>> layers_;
  Activation output_, features_;
};

}  // namespace shoal
