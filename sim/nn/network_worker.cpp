#include "sim/nn/network_worker.hpp"

#include <ATen/ops/zeros.h>

namespace shoal {
namespace {

constexpr std::size_t most_stacks = 8;  // batch sizes whose buffers are kept

}  // namespace

NetworkWorker::NetworkWorker(const Network& network, std::int64_t clients, at::Device device)
    : network_(network),
      form_{.arithmetic = device.is_cpu() ? StackForm::Arithmetic::loops : StackForm::Arithmetic::library},
      rows_(clients, network.layout().size, device) {}

NetworkWorker::Stack& NetworkWorker::loaded(std::span<const Gathered> batches, std::int64_t active) {
  ensure(active >= 1 && active <= rows_.clients() && active <= std::ssize(batches), "{} batches for {} of {} clients",
         batches.size(), active, rows_.clients());
  const std::int64_t batch = batches[0].features.size(0);
  if (!stacks_.contains(batch) && stacks_.size() >= most_stacks) stacks_.clear();
  auto found = stacks_.find(batch);
  if (found == stacks_.end()) {
    Activation input = make_activation(rows_.clients(), batch, network_.input(), rows_.values);
    input.gradient.reset();
    input.weights = at::zeros({rows_.clients(), batch}, rows_.values.options());
    LayerStack layers(network_, input, rows_, network_.layout().parameters, form_);
    found = stacks_.emplace(batch, Stack{input, std::move(layers)}).first;
  }
  Stack& stack = found->second;
  for (std::int64_t k = 0; k < active; ++k) {
    stack.input.value.select(0, k).copy_(batches[k].features.reshape({batch, network_.input().size()}));
    at::Tensor weights = stack.input.weights.select(0, k);
    if (batches[k].weights.defined()) {
      weights.copy_(batches[k].weights);
    } else {
      weights.fill_(1);
    }
  }
  stack.layers.use(active);
  now_ = &stack;
  active_ = active;
  return stack;
}

Outputs NetworkWorker::outputs(std::int64_t active) const {
  const auto first = [&](const Activation& values) { return values.value.narrow(0, 0, active); };
  return {.scores = first(now_->layers.output()), .features = first(now_->layers.features())};
}

Outputs NetworkWorker::forward(std::span<const Gathered> batches, std::int64_t active) {
  loaded(batches, active).layers.forward();
  return outputs(active);
}

Outputs NetworkWorker::evaluate(std::span<const Gathered> batches, std::int64_t active) {
  loaded(batches, active).layers.evaluate();
  return outputs(active);
}

void NetworkWorker::backward(const Outputs& gradients, const GradientUse& use) {
  ensure(now_ != nullptr, "a backward pass without a forward pass");
  at::Tensor scores = now_->layers.output().gradient.narrow(0, 0, active_);
  if (gradients.scores.defined()) {
    scores.copy_(gradients.scores);
  } else {
    scores.zero_();
  }
  now_->layers.backward(use, gradients.features);
}

}  // namespace shoal
