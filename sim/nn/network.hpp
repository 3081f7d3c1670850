#pragma once
// A model as a sequence of layers: a value that knows its shapes, its parameters and its work.
//
//   Network net(input);
//   net.add(layers::flatten()).add(layers::linear(200)).add(layers::relu()).add(layers::linear(10));

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/nn/form.hpp"
#include "sim/nn/layers/layer.hpp"
#include "sim/nn/layout.hpp"
#include "sim/random.hpp"

namespace shoal {

class Network {
 public:
  /// A layer at its place in the network, with the shape of its input and its parameters in the layout.
  struct Place {
    std::shared_ptr<const Layer> layer;
    Shape input;
    std::size_t first_parameter, parameters;  // index of the first in the layout; how many
  };

  explicit Network(Shape input) : input_(input), output_(input) {}

  /// Appends a layer; UserError when it cannot take what the layers before it give.
  Network& add(std::shared_ptr<const Layer> layer);
  /// Sets the device on which the parameters live and the network computes.
  Network& on(at::Device device) {
    layout_.device = device;
    return *this;
  }

  const Shape& input() const { return input_; }
  const Shape& output() const { return output_; }
  const ParameterLayout& layout() const { return layout_; }
  std::span<const Place> places() const { return places_; }

  /// [d], as the layers initialize them; one random stream per layer with parameters, so that a layer's draws do not
  /// depend on the number of draws of the layers before it.
  at::Tensor initial_parameters(RandomKey key) const;
  /// Floating-point operations of the forward and backward pass for one example. The first layer with parameters needs
  /// no gradient of its input.
  double flops_per_example() const;

 private:
  Shape input_, output_;
  std::vector<Place> places_;
  ParameterLayout layout_;
};

}  // namespace shoal
