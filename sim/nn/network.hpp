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

#include "sim/nn/learnable.hpp"

namespace shoal {

class Network final : public Learnable {
 public:
  /// A layer at its place in the network, with the shape of its input and its parameters in the layout.
  struct Place {
    std::shared_ptr<const Layer> layer;
    Shape input;
    std::size_t first_parameter, parameters;  // index of the first in the layout; how many
  };

  explicit Network(Shape input) : form_{.shape = input}, output_(input) {}
  /// For images or vectors with labels; UserError when the examples are others.
  explicit Network(const Form& form);

  /// Appends a layer; UserError when it cannot take what the layers before it give.
  Network& add(std::shared_ptr<const Layer> layer);
  /// Sets the device on which the parameters live and the network computes.
  Network& on(at::Device device) {
    layout_.device = device;
    return *this;
  }
  /// Adds a variant of this network, complete by now: a network of the same layers with smaller widths. Of each
  /// dimension of a parameter it has the first entries.
  Network& vary(Network smaller);

  const Shape& input() const { return form_.shape; }
  const Shape& output() const { return output_; }
  std::span<const Place> places() const { return places_; }

  const Form& form() const override { return form_; }
  const ParameterLayout& layout() const override { return layout_; }
  /// As the layers initialize them; one random stream per layer with parameters, so that a layer's draws do not depend
  /// on the number of draws of the layers before it.
  at::Tensor initial_parameters(RandomKey key) const override;
  /// The first layer with parameters needs no gradient of its input.
  double flops_per_example() const override;
  std::unique_ptr<Worker> worker(std::int64_t clients, at::Device device) const override;
  std::int32_t variants() const override { return 1 + std::ssize(smaller_); }
  const Learnable& variant(std::int32_t number) const override;
  const Network* network() const override { return this; }

  // For a layer that holds a network.
  /// Fills in the initial values of all parameters from one stream.
  void initialize(std::span<float> values, RandomStream& random) const;
  /// Floating-point operations of the forward pass for one example.
  double forward_flops() const;

 private:
  Form form_;
  Shape output_;
  std::vector<Place> places_;
  ParameterLayout layout_;
  std::vector<std::shared_ptr<const Network>> smaller_;
};

}  // namespace shoal
