#pragma once
// A network at work on K clients of B examples: explicit forward and backward passes over buffers made once, no
// autograd.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/task/network.hpp"

namespace shoal {

class StackedNetwork {
 public:
  static constexpr std::int32_t masked = -1;  // label of a row that takes no part

  /// Works on `rows`, which it shares with networks for other batch sizes.
  StackedNetwork(const Network& network, const ParameterRows& rows, std::int64_t batch);

  std::int64_t batch() const { return input_.batch(); }
  /// [K, B, size] features, channels last. `forward` may work in it: fill it anew each time.
  std::span<float> inputs();
  /// [K, B]
  std::span<std::int32_t> labels() { return labels_; }

  void forward();
  /// After `forward`. Adds each client's summed loss to sums[k]; the gradients are those of factors[k] times it.
  void loss_and_gradient(std::span<const double> factors, std::span<double> sums);
  /// After `loss_and_gradient`.
  void backward(const GradientUse& use);

  /// After `forward`, over all rows: summed loss and correct predictions.
  struct Score {
    double loss = 0;
    std::int64_t correct = 0;
  };
  Score score() const;

 private:
  /// The scores of one row, [classes].
  std::span<const float> row(std::size_t i) const;

  Activation input_, output_;
  std::vector<std::int32_t> labels_;
  std::vector<std::unique_ptr<StackedLayer>> layers_;
};

}  // namespace shoal
