#pragma once
// A model as a sequence of layers: a value that knows its shapes, its parameters and its work.
//
//   Network net(input);
//   net.flatten().linear(200).relu().linear(10);

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/random.hpp"
#include "sim/task/data.hpp"
#include "sim/task/layers/layer.hpp"
#include "sim/task/layout.hpp"

namespace shoal {

class Network {
 public:
  /// A layer where it stands: what goes in, and its parameters in the layout.
  struct Place {
    std::shared_ptr<const Layer> layer;
    Shape input;
    std::size_t first_parameter, parameters;  // 0 or 2 of them: weight and bias
  };

  explicit Network(Shape input) : input_(input), output_(input) {}

  /// Appends a layer; UserError when it cannot take what the layers before it give.
  Network& add(std::shared_ptr<const Layer> layer);
  Network& linear(std::int64_t units) { return add(layers::linear(units)); }
  Network& conv2d(std::int64_t channels, std::int64_t kernel, std::int64_t padding = 0) {
    return add(layers::conv2d(channels, kernel, padding));
  }
  Network& max_pool2d(std::int64_t size) { return add(layers::max_pool2d(size)); }
  Network& relu() { return add(layers::relu()); }
  Network& flatten() { return add(layers::flatten()); }
  /// Where parameters live and the network computes.
  Network& on(at::Device device) {
    layout_.device = device;
    return *this;
  }

  const Shape& input() const { return input_; }
  const Shape& output() const { return output_; }
  const ParameterLayout& layout() const { return layout_; }
  std::span<const Place> places() const { return places_; }

  /// [d]: weights and biases uniform in +-1 / sqrt(inputs of a unit), PyTorch's default for dense and convolutional
  /// layers; one random stream per layer with parameters, so that a layer's draws do not depend on the ones before it.
  at::Tensor initial_parameters(RandomKey key) const;
  /// Forward and backward for one example. The first layer with parameters needs no gradient of its input.
  double flops_per_example() const;

 private:
  Shape input_, output_;
  std::vector<Place> places_;
  ParameterLayout layout_;
};

}  // namespace shoal
