#pragma once
// The loss term of a strategy at work on a stack of clients.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/nn/stacked_network.hpp"
#include "sim/task/correction.hpp"

namespace shoal {

/// One call of `fit`. Row i of a stack belongs to client order[i] of the block.
class TermAtWork {
 public:
  TermAtWork(const LossTerm& term, const LocalSettings& local, std::span<const std::int64_t> order, at::Device device);

  const LossTerm& term() const { return term_; }
  /// After the forward pass of `net`: writes the gradient of the scores and adds weighted losses to `losses` [K],
  /// together with those of the task unless the term replaces them. `references` are outputs on the same batch. Returns
  /// the gradient of the features, undefined where there is none. Those of the trained tensors wait for `train`.
  at::Tensor differentiate(StackedNetwork& net, std::vector<Outputs> references, at::Tensor& losses);
  /// Takes a step with the trained tensors of those who took part in the last pass.
  void train();
  /// Copies the trained tensors to the clients' rows of `block`, made for a block of `count` clients where it is empty.
  void give_trained(std::int64_t count, std::vector<at::Tensor>& block) const;

 private:
  struct Trained {
    at::Tensor values, momentum, gradient;  // [K, ...]; the gradient has a row for each that took part
  };

  const LossTerm& term_;
  const LocalSettings& local_;
  at::Tensor places_;  // order
  std::vector<Trained> trained_;
  std::vector<at::Tensor> given_;
};

}  // namespace shoal
