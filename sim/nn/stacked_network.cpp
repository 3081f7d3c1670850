#include "sim/nn/stacked_network.hpp"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/zeros.h>

#include "kernels/device.hpp"
#include "sim/nn/device.hpp"
#include "sim/nn/layer_stack.hpp"
#include "sim/nn/worker_layer.hpp"

namespace shoal {
namespace {

Activation make_input(const ParameterRows& rows, std::int64_t batch, const Form& form, std::int64_t length) {
  Activation input{.shape = {length, 1, 1}, .value = {}, .gradient = {}};
  if (form.features == Form::Features::tokens) {
    input.value = at::zeros({rows.clients(), batch, length}, rows.values.options().dtype(at::kLong));
  } else {
    input = make_activation(rows.clients(), batch, form.shape, rows.values);
    input.gradient.reset();
  }
  input.weights = at::zeros({rows.clients(), batch}, rows.values.options());
  return input;
}

}  // namespace

StackedNetwork::StackedNetwork(const Network& network, const ParameterRows& rows, std::int64_t batch,
                               const StackForm& form)
    : input_(make_input(rows, batch, network.form(), 1)), active_(rows.clients()), repeatable_(true) {
  auto layers = std::make_unique<LayerStack>(network, input_, rows, network.layout().parameters, form);
  features_ = [from = layers->features().value] { return from; };
  backward_ = [to = layers.get()](const GradientUse& use, const at::Tensor& f) { to->backward(use, f); };
  model_ = std::move(layers);
  output_ = model_->output();
  loss_ = StackedCrossEntropy(output_, rows, form);
  make_batches(network.form());
}

StackedNetwork::StackedNetwork(const Learnable& model, Worker& worker, std::int64_t batch, const StackForm& form,
                               std::int64_t length)
    : input_(make_input(worker.rows(), batch, model.form(), length)),
      active_(worker.rows().clients()),
      repeatable_(false) {
  const bool tokens = model.form().targets == Form::Targets::tokens;
  output_ = make_activation(active_, tokens ? batch * length : batch, {score_count(model.form()), 1, 1},
                            worker.rows().values);
  if (!tokens) output_.weights = input_.weights;
  loss_ = StackedCrossEntropy(output_, worker.rows(), form);
  make_batches(model.form());
  auto layer = std::make_unique<WorkerLayer>(worker, batches_, output_);
  features_ = [from = layer.get()] { return from->features(); };
  backward_ = [to = layer.get()](const GradientUse& use, const at::Tensor& f) { to->backward(use, f); };
  model_ = std::move(layer);
}

void StackedNetwork::make_batches(const Form& form) {
  const bool tokens = form.features == Form::Features::tokens;
  const std::int64_t clients = input_.clients(), length = input_.shape.channels;
  labels_ = loss_.labels;
  if (form.targets == Form::Targets::tokens) labels_ = labels_.view({clients, batch(), length});
  if (tokens) mask_ = at::zeros({clients, batch(), length}, input_.weights.options());
  const Shape& s = input_.shape;
  for (std::int64_t k = 0; k < clients; ++k) {
    const at::Tensor own = input_.value.select(0, k);
    batches_.push_back({.features = tokens ? own : own.view({batch(), s.height, s.width, s.channels}),
                        .targets = labels_.select(0, k),
                        .mask = tokens ? mask_.select(0, k) : at::Tensor(),
                        .weights = input_.weights.select(0, k)});
  }
}

void StackedNetwork::weigh_tokens() {
  if (labels_.dim() == 3) {
    at::Tensor rows = loss_.weights.view(mask_.sizes());
    at::mul_out(rows, input_.weights.unsqueeze(2), mask_);
  }
}

void StackedNetwork::use(std::int64_t active) {
  if (active == active_) return;
  active_ = active;
  model_->use(active);
  loss_.use(active);
}

void StackedNetwork::forward() {
  weigh_tokens();
  model_->forward();
}

void StackedNetwork::evaluate() {
  weigh_tokens();
  model_->evaluate();
}

void StackedNetwork::backward(const GradientUse& use) { model_->backward(use); }

void StackedNetwork::backward(const GradientUse& use, const at::Tensor& of_features) { backward_(use, of_features); }

RepeatedStep& StackedNetwork::repeated(const StepKey& key) {
  constexpr std::size_t most = 32;  // learning rates and addresses change now and then
  if (!repeated_.contains(key) && repeated_.size() >= most) {
    wait(current_stream());  // no step may still run when it is forgotten
    repeated_.clear();
  }
  return repeated_.try_emplace(key, input_.value.device()).first->second;
}

Outputs StackedNetwork::outputs() const {
  at::Tensor features = features_();
  if (features.defined()) features = features.narrow(0, 0, active_);
  return {.scores = shaped(output_.value), .features = features};
}

at::Tensor StackedNetwork::shaped(const at::Tensor& rows) const {
  const at::Tensor scores = rows.narrow(0, 0, active_);
  return labels_.dim() == 3 ? scores.view({active_, labels_.size(1), labels_.size(2), scores.size(2)}) : scores;
}

StackedNetwork::Score StackedNetwork::score() const {
  const at::Tensor scores = output_.value.cpu(), labels = loss_.labels.cpu(), weights = loss_.weights.cpu();
  const std::size_t classes = output_.shape.size();
  Score total;
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if (weights.const_data_ptr<float>()[i] == 0) continue;
    const std::int64_t k = i / output_.batch(), b = i % output_.batch();
    const float* row = scores.const_data_ptr<float>() + k * scores.stride(0) + b * scores.stride(1);
    const std::span<const float> own(row, classes);
    const std::int64_t label = labels.const_data_ptr<std::int64_t>()[i];
    total.loss += cross_entropy(own, label);
    total.correct += is_correct(own, label) ? 1 : 0;
  }
  return total;
}

}  // namespace shoal
