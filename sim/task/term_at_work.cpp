#include "sim/task/term_at_work.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "sim/error.hpp"
#include "sim/nn/differentiate.hpp"

namespace shoal {

TermAtWork::TermAtWork(const LossTerm& term, const LocalSettings& local, std::span<const std::int64_t> order,
                       at::Device device)
    : term_(term), local_(local), places_(at::tensor(order).to(device)) {
  for (const at::Tensor& start : term.trained) {
    const at::Tensor values = start.to(device, at::kFloat).index_select(0, places_);  // a copy
    trained_.push_back({values, local.momentum > 0 ? at::zeros_like(values) : at::Tensor(), {}});
  }
  for (const at::Tensor& all : term.given) given_.push_back(all.to(device).index_select(0, places_));
}

at::Tensor TermAtWork::differentiate(StackedNetwork& net, std::vector<Outputs> references, at::Tensor& losses) {
  const Outputs own = net.outputs();
  const std::int64_t clients = own.scores.size(0);
  at::Tensor of_scores = net.score_gradient();
  if (!term_.replaces) net.loss_and_gradient();

  LossInputs inputs{.own = own, .references = std::move(references), .targets = net.targets()};
  for (const at::Tensor& all : given_) inputs.given.push_back(all.narrow(0, 0, clients));
  std::vector<at::Tensor> values{own.scores};
  if (own.features.defined()) values.push_back(own.features);
  const std::size_t outputs = values.size();
  for (const Trained& t : trained_) values.push_back(t.values.narrow(0, 0, clients));
  const at::Tensor weights = net.target_weights();
  const Differentiated found = shoal::differentiate(values, weights, [&](std::span<const at::Tensor> leaves) {
    inputs.own.scores = leaves[0];
    if (outputs > 1) inputs.own.features = leaves[1];
    inputs.trained.assign(leaves.begin() + outputs, leaves.end());
    return term_.value(inputs);
  });

  losses.narrow(0, 0, clients).add_((found.value * weights).flatten(1).sum(1));
  if (term_.replaces) of_scores.zero_();
  if (found.gradients[0].defined()) of_scores.add_(found.gradients[0]);
  for (std::size_t i = 0; i < trained_.size(); ++i) trained_[i].gradient = found.gradients[outputs + i];
  return outputs > 1 ? found.gradients[1] : at::Tensor();
}

void TermAtWork::train() {
  for (Trained& t : trained_) {
    if (!t.gradient.defined()) continue;
    const std::int64_t clients = t.gradient.size(0);
    at::Tensor values = t.values.narrow(0, 0, clients), g = t.gradient;
    if (local_.weight_decay != 0) g = g + local_.weight_decay * values;
    if (t.momentum.defined()) {
      at::Tensor m = t.momentum.narrow(0, 0, clients);
      m.mul_(local_.momentum).add_(g);
      g = local_.nesterov ? g + local_.momentum * m : m;
    }
    values.sub_(g, local_.rate);
  }
}

void TermAtWork::give_trained(std::int64_t count, std::vector<at::Tensor>& block) const {
  block.resize(trained_.size());
  for (std::size_t i = 0; i < trained_.size(); ++i) {
    const at::Tensor& values = trained_[i].values;
    std::vector<std::int64_t> shape = values.sizes().vec();
    shape[0] = count;
    if (!block[i].defined()) block[i] = at::zeros(shape, values.options());
    block[i].index_copy_(0, places_, values);
  }
}

}  // namespace shoal
