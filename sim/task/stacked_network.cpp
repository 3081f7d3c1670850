#include "sim/task/stacked_network.hpp"

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "sim/task/layers/cross_entropy.hpp"

namespace shoal {

StackedNetwork::StackedNetwork(const Network& network, const ParameterRows& rows, std::int64_t batch)
    : input_(make_activation(rows.clients(), batch, network.input())),
      labels_(static_cast<std::size_t>(rows.clients() * batch), masked) {
  input_.gradient.reset();
  output_ = input_;
  const std::span<const Parameter> parameters = network.layout().parameters;
  for (const Network::Place& place : network.places()) {
    layers_.push_back(place.layer->stack(output_, rows, parameters.subspan(place.first_parameter, place.parameters)));
    output_ = layers_.back()->output();
    // Before the first parameters nobody needs a gradient.
    if (place.first_parameter + place.parameters == 0) output_.gradient.reset();
  }
}

std::span<float> StackedNetwork::inputs() {
  return {input_.value.mutable_data_ptr<float>(), static_cast<std::size_t>(input_.value.numel())};
}

std::span<const float> StackedNetwork::row(std::size_t i) const {
  const auto classes = static_cast<std::size_t>(output_.shape.size());
  return {output_.value.const_data_ptr<float>() + i * classes, classes};
}

void StackedNetwork::forward() {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;  // saves half a microsecond per operation
  for (const auto& layer : layers_) layer->forward();
}

void StackedNetwork::loss_and_gradient(std::span<const double> factors, std::span<double> sums) {
  float* gradient = output_.gradient.mutable_data_ptr<float>();
  const std::size_t rows_per_client = labels_.size() / factors.size();
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    const std::span<const float> scores = row(i);
    const std::span<float> to{gradient + i * scores.size(), scores.size()};
    const std::size_t k = i / rows_per_client;
    if (labels_[i] == masked) {
      std::ranges::fill(to, 0.0F);
    } else {
      sums[k] += cross_entropy(scores, labels_[i], static_cast<float>(factors[k]), to);
    }
  }
}

void StackedNetwork::backward(const GradientUse& use) {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) (*layer)->backward(use);
}

StackedNetwork::Score StackedNetwork::score() const {
  Score total;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i] == masked) continue;
    total.loss += cross_entropy(row(i), labels_[i]);
    total.correct += is_correct(row(i), labels_[i]) ? 1 : 0;
  }
  return total;
}

}  // namespace shoal
