#include "sim/nn/layer_stack.hpp"

#include <ATen/core/LegacyTypeDispatch.h>

namespace shoal {

LayerStack::LayerStack(const Network& network, const Activation& input, const ParameterRows& rows,
                       std::span<const Parameter> own, const StackForm& form)
    : output_(input), features_(input) {
  for (const Network::Place& place : network.places()) {
    features_ = output_;
    layers_.push_back(place.layer->stack(output_, rows, own.subspan(place.first_parameter, place.parameters), form));
    output_ = layers_.back()->output();
    if (!input.gradient.defined() && place.first_parameter + place.parameters == 0) output_.gradient.reset();
  }
}

void LayerStack::use(std::int64_t active) {
  for (const auto& layer : layers_) layer->use(active);
}

void LayerStack::forward() {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;  // saves half a microsecond per operation
  for (const auto& layer : layers_) layer->forward();
}

void LayerStack::evaluate() {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  for (const auto& layer : layers_) layer->evaluate();
}

void LayerStack::backward(const GradientUse& use, const at::Tensor& of_features) {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    (*layer)->backward(use);
    if (layer == layers_.rbegin() && of_features.defined() && features_.gradient.defined()) {
      features_.gradient.narrow(0, 0, of_features.size(0)).add_(of_features);
    }
  }
}

}  // namespace shoal
