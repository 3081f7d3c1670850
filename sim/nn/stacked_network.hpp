#pragma once
// A model at work on K clients with B examples each, with inputs and loss in buffers made once. The layers of a network
// have explicit forward and backward passes, without autograd; other models come as workers.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "sim/nn/layers/cross_entropy.hpp"
#include "sim/nn/network.hpp"
#include "sim/nn/repeated_step.hpp"

namespace shoal {

class StackedNetwork {
 public:
  /// Works on `rows`, which it shares with networks for other batch sizes, on their device. At first all clients take
  /// part, but none of their examples (weight 0).
  StackedNetwork(const Network& network, const ParameterRows& rows, std::int64_t batch, const StackForm& form = {});
  /// Any other model, with a worker of its own and the worker's rows, for sequences of up to `length` tokens or any
  /// other examples. The worker must live longer.
  StackedNetwork(const Learnable& model, Worker& worker, std::int64_t batch, const StackForm& form = {},
                 std::int64_t length = 1);
  StackedNetwork(const StackedNetwork&) = delete;
  StackedNetwork& operator=(const StackedNetwork&) = delete;

  std::int64_t batch() const { return input_.batch(); }
  /// [K, B, size] features, channels last, or [K, B, length] tokens, int64; clients lie stride(0) apart. `forward` may
  /// overwrite it: fill it anew each time.
  at::Tensor& inputs() { return input_.value; }
  /// [K, B], int64; in the range of the classes, also where the weight is 0. [K, B, length] where targets are tokens.
  at::Tensor& labels() { return labels_; }
  /// [K, B]: the weight of each example's loss: 1 / (examples of the client's batch) for a mean, 0 to leave it out.
  /// Where targets are tokens, each that the mask does not leave out has its example's weight.
  at::Tensor& weights() { return input_.weights; }
  /// The same memory client by client, with the masks of sequences.
  std::span<const Gathered> batches() const { return batches_; }

  /// From now on only the first `active` clients take part: the others cost nothing.
  void use(std::int64_t active);
  /// The forward pass of a training step; it changes the buffers among the parameters.
  void forward();
  /// The forward pass of an evaluation.
  void evaluate();
  /// After `forward`: adds losses times weights to the losses of the rows; gradients are those of the weighted sum.
  void loss_and_gradient() { loss_.run(); }
  /// After `loss_and_gradient`.
  void backward(const GradientUse& use);
  /// The same with a further gradient of the features of those who take part, if it is defined.
  void backward(const GradientUse& use, const at::Tensor& of_features);
  /// The gradient of the scores that `backward` starts from, in the shape of `outputs`, to be written.
  at::Tensor score_gradient() const { return shaped(output_.gradient); }
  /// [n, b], or [n, b, t] where targets are tokens: the targets of those who take part, and their weights in the loss.
  at::Tensor targets() const { return labels_.narrow(0, 0, active_); }
  at::Tensor target_weights() const { return loss_.weights.view(labels_.sizes()).narrow(0, 0, active_); }
  /// Whether a step may be recorded and replayed (RepeatedStep): that of layers may.
  bool repeatable() const { return repeatable_; }

  /// The numbers and addresses, as bits, that a step on these buffers depends on besides them.
  using StepKey = std::vector<std::uint64_t>;
  /// The step with this key; forgotten with the network, or when there are too many.
  RepeatedStep& repeated(const StepKey& key);

  /// After a forward pass, over all rows of nonzero weight: summed loss and correct predictions. On the host.
  struct Score {
    double loss = 0;
    std::int64_t correct = 0;
  };
  Score score() const;
  /// After a forward pass, of the clients that take part. Shares the network's buffers, until its next pass.
  Outputs outputs() const;

 private:
  void make_batches(const Form& form);
  /// Values of those who take part, with a row for each target, in the shape of scores.
  at::Tensor shaped(const at::Tensor& rows) const;
  /// Gives the rows of scores their weights, where targets are tokens.
  void weigh_tokens();

  Activation input_, output_;  // the output has a row of scores for each target
  at::Tensor labels_, mask_;
  std::vector<Gathered> batches_;
  std::unique_ptr<StackedLayer> model_;
  std::function<at::Tensor()> features_;
  std::function<void(const GradientUse&, const at::Tensor& of_features)> backward_;
  StackedCrossEntropy loss_;
  std::int64_t active_;
  bool repeatable_;
  std::map<StepKey, RepeatedStep> repeated_;
};

}  // namespace shoal
