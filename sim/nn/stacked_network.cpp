#include "sim/nn/stacked_network.hpp"

#include <ATen/core/LegacyTypeDispatch.h>

#include "kernels/device.hpp"
#include "sim/nn/device.hpp"

namespace shoal {

StackedNetwork::StackedNetwork(const Network& network, const ParameterRows& rows, std::int64_t batch,
                               const StackForm& form)
    : input_(make_activation(rows.clients(), batch, network.input(), rows.values)), active_(rows.clients()) {
  input_.gradient.reset();
  output_ = input_;
  const std::span<const Parameter> parameters = network.layout().parameters;
  for (const Network::Place& place : network.places()) {
    const auto own = parameters.subspan(place.first_parameter, place.parameters);
    layers_.push_back(place.layer->stack(output_, rows, own, form));
    output_ = layers_.back()->output();
    // No gradient is needed before the first layer with parameters.
    if (place.first_parameter + place.parameters == 0) output_.gradient.reset();
  }
  loss_ = StackedCrossEntropy(output_, rows, form);
}

void StackedNetwork::use(std::int64_t active) {
  if (active == active_) return;
  active_ = active;
  for (const auto& layer : layers_) layer->use(active);
  loss_.use(active);
}

void StackedNetwork::forward() {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;  // saves half a microsecond per operation
  for (const auto& layer : layers_) layer->forward();
}

void StackedNetwork::backward(const GradientUse& use) {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) (*layer)->backward(use);
}

RepeatedStep& StackedNetwork::repeated(const StepKey& key) {
  constexpr std::size_t most = 32;  // learning rates and addresses change now and then
  if (!repeated_.contains(key) && repeated_.size() >= most) {
    wait(current_stream());  // no step may still run when it is forgotten
    repeated_.clear();
  }
  return repeated_.try_emplace(key, input_.value.device()).first->second;
}

StackedNetwork::Score StackedNetwork::score() const {
  const at::Tensor scores = output_.value.cpu(), labels = loss_.labels.cpu(), weights = loss_.weights.cpu();
  const std::size_t classes = output_.shape.size();
  Score total;
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if (weights.const_data_ptr<float>()[i] == 0) continue;
    const std::int64_t k = i / batch(), b = i % batch();
    const float* row = scores.const_data_ptr<float>() + k * scores.stride(0) + b * scores.stride(1);
    const std::span<const float> own(row, classes);
    const std::int64_t label = labels.const_data_ptr<std::int64_t>()[i];
    total.loss += cross_entropy(own, label);
    total.correct += is_correct(own, label) ? 1 : 0;
  }
  return total;
}

}  // namespace shoal
