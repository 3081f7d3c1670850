#pragma once
// A layer of a network (Layer), and the same layer at work on K clients at once (StackedLayer).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/nn/form.hpp"
#include "sim/nn/layout.hpp"
#include "sim/random.hpp"

namespace shoal {

/// How a stack computes. All combinations agree up to rounding; each has its own bits.
struct StackForm {
  /// Loops over host memory, or operations of the tensor library alone, which work on any device.
  enum class Arithmetic : std::int8_t { loops, library } arithmetic = Arithmetic::loops;
  /// One convolution for each client, or one for all of them with a group for each.
  enum class Convolution : std::int8_t { each, grouped } convolution = Convolution::each;
};

/// Values between two layers and the gradient of the loss with respect to them: [K, B, size], float32, an example being
/// height by width by channels (channels last). A client's values are contiguous and start on 64 bytes: with another
/// alignment a matrix product may have other bits. Both buffers live as long as the stack; a layer that works in place
/// passes on those of its input. `gradient` is undefined where no layer needs it, as at the network's input.
struct Activation {
  Shape shape;
  at::Tensor value, gradient;
  at::Tensor weights{};  // [K, B], those of the examples in the loss; 0: the row takes no part. Shared by all layers

  std::int64_t clients() const { return value.size(0); }
  std::int64_t batch() const { return value.size(1); }
  /// The same memory for the first `active` clients alone.
  Activation first(std::int64_t active) const;
};

/// New buffers for examples of `shape`, on the device of `like`.
Activation make_activation(std::int64_t clients, std::int64_t batch, const Shape& shape, const at::Tensor& like);

/// New buffers for a layer's outputs of `shape`, for as many clients and examples as the input has.
Activation make_output(const Activation& input, const Shape& shape);

/// The parameters of K clients and buffers for their gradients, [K, d], and their summed losses. Rows start on 64
/// bytes, so that a client's bits cannot depend on its place in the block.
struct ParameterRows {
  at::Tensor values, gradients;
  at::Tensor losses;  // [K], float64: weighted losses are added until the caller sets them to 0

  /// `device` is that of everything that works on these rows.
  ParameterRows(std::int64_t clients, std::int64_t size, at::Device device = at::kCPU);
  std::int64_t clients() const { return values.size(0); }
};

/// A view of one parameter in all rows: [K, shape...]. Shares the memory of `rows`.
at::Tensor view_parameter(const at::Tensor& rows, const Parameter& parameter);

/// How a backward pass uses a parameter's gradient g.
struct GradientUse {
  enum class Target { gradients, parameters } target;
  float keep, scale;  // target = keep target + scale g

  static GradientUse store() { return {Target::gradients, 0, 1}; }
  static GradientUse add() { return {Target::gradients, 1, 1}; }
  /// A step of plain SGD at once, without storing the gradient.
  static GradientUse descend(double rate) { return {Target::parameters, 1, static_cast<float>(-rate)}; }

  /// The rows that hold the targets.
  const at::Tensor& rows(const ParameterRows& of) const {
    return target == Target::gradients ? of.gradients : of.values;
  }
  void change(at::Tensor to, const at::Tensor& g) const;
  void change(float& to, double g) const;
};

/// A layer at work on K clients with B examples each: buffers and views are made once, the steps allocate nothing
/// (except convolutions and the library's norms) and wait for no device. A step is a forward pass, or both passes.
class StackedLayer {
 public:
  virtual ~StackedLayer() = default;
  virtual const Activation& output() const = 0;
  /// From now on only the first `active` clients take part; the others cost nothing and keep what they have.
  virtual void use(std::int64_t active) = 0;
  virtual void forward() = 0;
  /// The forward pass of an evaluation, for layers in which it differs from that of training (batch norm).
  virtual void evaluate() { forward(); }
  /// From the output's gradient, computes the input's (where it is defined) with the parameters of the forward pass,
  /// then those of the parameters.
  virtual void backward(const GradientUse& use) = 0;
};

/// One layer of a network; immutable.
class Layer {
 public:
  virtual ~Layer() = default;
  /// Parameters are named `<kind><number>.<name>`, such as conv1.weight, numbered per kind from 1.
  virtual std::string_view kind() const = 0;
  /// Shape of one output. UserError when the layer cannot take `input`.
  virtual Shape output(const Shape& input) const = 0;
  /// The layer's parameters for inputs of this shape: name within the layer, shape and role of each; the network sets
  /// their offsets. Empty for a layer that learns nothing.
  virtual std::vector<Parameter> parameters(const Shape&) const { return {}; }
  /// Fills in the initial values of these parameters, which are contiguous and 0 before.
  virtual void initialize(std::span<float> /*values*/, const Shape& /*input*/, RandomStream&) const {}
  /// Multiplications and additions of the forward pass for one example; only products of matrices are counted.
  virtual double flops(const Shape&) const { return 0; }
  /// The layer at work on `input`. `own` are its parameters in the order of `parameters`.
  virtual std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                              std::span<const Parameter> own, const StackForm& form) const = 0;
};

/// Views that a layer needs for each number of active clients: made on first use, then found by index.
template <class Views>
class ByActive {
 public:
  explicit ByActive(std::int64_t clients) : made_(clients) {}

  template <class Make>
  Views& get(std::int64_t active, const Make& make) {
    std::unique_ptr<Views>& views = made_[active - 1];
    if (!views) views = std::make_unique<Views>(make());
    return *views;
  }

 private:
  std::vector<std::unique_ptr<Views>> made_;
};

/// Values uniform in +-1 / sqrt(inputs of a unit): PyTorch's default for dense and convolutional layers.
void draw_uniform(std::span<float> values, std::int64_t inputs, RandomStream& random);

}  // namespace shoal
