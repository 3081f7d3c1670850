#pragma once
// The layers of a network at work for batches of any size, as a worker.

#include <map>

#include "sim/nn/layer_stack.hpp"

namespace shoal {

class NetworkWorker final : public Worker {
 public:
  /// The network must live longer.
  NetworkWorker(const Network& network, std::int64_t clients, at::Device device);

  ParameterRows& rows() override { return rows_; }
  Outputs forward(std::span<const Gathered> batches, std::int64_t active) override;
  Outputs evaluate(std::span<const Gathered> batches, std::int64_t active) override;
  void backward(const Outputs& gradients, const GradientUse& use) override;

 private:
  struct Stack {
    Activation input;
    LayerStack layers;
  };
  /// The layers for these batches, loaded with them.
  Stack& loaded(std::span<const Gathered> batches, std::int64_t active);
  Outputs outputs(std::int64_t active) const;

  const Network& network_;
  StackForm form_;
  ParameterRows rows_;
  std::map<std::int64_t, Stack> stacks_;  // by batch
  Stack* now_ = nullptr;
  std::int64_t active_ = 0;
};

}  // namespace shoal
