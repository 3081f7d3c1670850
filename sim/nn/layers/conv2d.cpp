// Convolution, channels last: oneDNN's direct kernels run at the speed of a matrix product in this layout and
// at half of it in the other.
#include "sim/nn/layers/conv2d.hpp"

#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>

#include "sim/error.hpp"

namespace shoal::layers {
namespace {

// Client k's images as [B, channels, height, width] with channels innermost in memory.
at::Tensor images(const at::Tensor& stacked, const Shape& s, std::int64_t k) {
  return stacked.select(0, k).as_strided({stacked.size(1), s.channels, s.height, s.width},
                                         {s.size(), 1, s.width * s.channels, s.channels}, k * stacked.stride(0));
}

// Operands of one convolution, either of one client or of a block. The biases are undefined in a layer without them.
struct Operands {
  at::Tensor x, dx, y, dy, weight, bias, weight_gradient, bias_gradient;
};

// Stride and padding, the same in both directions.
struct Steps {
  std::vector<std::int64_t> stride, padding, one{1, 1}, zero{0, 0};

  at::Tensor forward(const Operands& o, std::int64_t groups) const {
    return at::convolution(o.x, o.weight, o.bias, stride, padding, one, false, zero, groups);
  }
  // Gradients of input, weight and bias.
  std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const Operands& o, bool needs_dx, std::int64_t groups) const {
    const at::IntArrayRef channels = o.weight.sizes().slice(0, 1);
    return at::convolution_backward(o.dy, o.x, o.weight, at::OptionalIntArrayRef(channels), stride, padding, one, false,
                                    zero, groups, {needs_dx, true, o.bias.defined()});
  }
};

// Convolutions, client by client: one client's batch already fills a core.
class StackedConv2d final : public StackedLayer {
 public:
  StackedConv2d(const Activation& input, const Shape& shape, Steps steps, const ParameterRows& rows,
                std::span<const Parameter> own)
      : steps_(std::move(steps)), output_(make_output(input, shape)), active_(input.clients()) {
    const auto parameter = [&](const at::Tensor& of, std::size_t i, std::int64_t k) {
      return i < own.size() ? view_parameter(of, own[i]).select(0, k) : at::Tensor();
    };
    for (std::int64_t k = 0; k < input.clients(); ++k) {
      clients_.push_back({.x = images(input.value, input.shape, k),
                          .dx = input.gradient.defined() ? images(input.gradient, input.shape, k) : at::Tensor(),
                          .y = images(output_.value, shape, k),
                          .dy = images(output_.gradient, shape, k),
                          .weight = parameter(rows.values, 0, k),
                          .bias = parameter(rows.values, 1, k),
                          .weight_gradient = parameter(rows.gradients, 0, k),
                          .bias_gradient = parameter(rows.gradients, 1, k)});
    }
  }

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }

  void forward() override {
    for (Operands& c : std::span(clients_).first(active_)) {
      c.y.copy_(steps_.forward(c, 1));
    }
  }

  void backward(const GradientUse& use) override {
    const bool on_parameters = use.target == GradientUse::Target::parameters;
    for (Operands& c : std::span(clients_).first(active_)) {
      const auto [dx, dweight, dbias] = steps_.backward(c, c.dx.defined(), 1);
      if (c.dx.defined()) c.dx.copy_(dx);
      use.change(on_parameters ? c.weight : c.weight_gradient, dweight);
      if (c.bias.defined()) use.change(on_parameters ? c.bias : c.bias_gradient, dbias);
    }
  }

 private:
  Steps steps_;
  Activation output_;
  std::size_t active_;
  std::vector<Operands> clients_;
};

// One convolution for the block, with a group for each client: the clients' images at one place of the batch become one
// image with all their channels. The library wants these channels side by side, so values are copied in and out.
class GroupedConv2d final : public StackedLayer {
 public:
  GroupedConv2d(const Activation& input, const Shape& shape, Steps steps, const ParameterRows& rows,
                std::span<const Parameter> own)
      : steps_(std::move(steps)),
        input_(input),
        output_(make_output(input, shape)),
        rows_(rows),
        own_(own.begin(), own.end()),
        views_(input.clients()) {
    const auto buffer = [&](const std::vector<std::int64_t>& side_by_side) {
      return at::empty(side_by_side, input.value.options());
    };
    x_ = buffer({input.batch(), input.shape.height, input.shape.width, input.clients() * input.shape.channels});
    dy_ = buffer({input.batch(), shape.height, shape.width, input.clients() * shape.channels});
    std::vector<std::int64_t> weight = own_[0].shape;
    weight.front() *= input.clients();
    weight_ = buffer(weight);
    if (has_bias()) bias_ = buffer({weight.front()});
    GroupedConv2d::use(input.clients());
  }

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override {
    active_ = active;
    now_ = &views_.get(active, [&] { return make(active); });
  }

  void forward() override {
    Views& v = *now_;
    v.x_clients.copy_(v.stacked.x);
    v.weight_clients.copy_(v.stacked.weight);
    if (has_bias()) v.bias_clients.copy_(v.stacked.bias);
    v.stacked.y.copy_(clients_of(steps_.forward(v.grouped, active_)));
  }

  void backward(const GradientUse& use) override {
    Views& v = *now_;
    v.dy_clients.copy_(v.stacked.dy);
    const auto [dx, dweight, dbias] = steps_.backward(v.grouped, v.stacked.dx.defined(), active_);
    if (v.stacked.dx.defined()) v.stacked.dx.copy_(clients_of(dx));
    const bool on_parameters = use.target == GradientUse::Target::parameters;
    use.change(on_parameters ? v.stacked.weight : v.stacked.weight_gradient, dweight.view(v.stacked.weight.sizes()));
    if (!has_bias()) return;
    use.change(on_parameters ? v.stacked.bias : v.stacked.bias_gradient, dbias.view(v.stacked.bias.sizes()));
  }

 private:
  struct Views {
    Operands stacked;  // [A, B, channels, height, width], [A, channels, ...]
    Operands grouped;  // x, dy, weight, bias in the library's layout: [B, A channels, height, width] ...
    at::Tensor x_clients, dy_clients;  // the same memory in the shapes of `stacked`
    at::Tensor weight_clients, bias_clients;
  };

  bool has_bias() const { return own_.size() > 1; }

  // [B, A channels, height, width] as [A, B, channels, height, width].
  at::Tensor clients_of(const at::Tensor& side_by_side) const {
    const std::int64_t channels = side_by_side.size(1) / active_;
    return side_by_side.unflatten(1, {active_, channels}).transpose(0, 1);
  }

  Views make(std::int64_t active) const {
    const auto stacked_images = [&](const at::Tensor& t, const Shape& s) {
      if (!t.defined()) return t;
      return t.narrow(0, 0, active)
          .view({active, input_.batch(), s.height, s.width, s.channels})
          .permute({0, 1, 4, 2, 3});
    };
    const auto parameter = [&](const at::Tensor& of, std::size_t i) {
      return i < own_.size() ? view_parameter(of, own_[i]).narrow(0, 0, active) : at::Tensor();
    };
    // The first clients' part of a buffer, packed: [B, height, width, A channels] with channels last.
    const auto packed = [&](const at::Tensor& buffer) {
      const std::int64_t channels = buffer.size(3) / input_.clients() * active;
      const std::int64_t height = buffer.size(1), width = buffer.size(2);
      return buffer.as_strided({buffer.size(0), channels, height, width},
                               {height * width * channels, 1, width * channels, channels});
    };
    Views v{.stacked = {.x = stacked_images(input_.value, input_.shape),
                        .dx = stacked_images(input_.gradient, input_.shape),
                        .y = stacked_images(output_.value, output_.shape),
                        .dy = stacked_images(output_.gradient, output_.shape),
                        .weight = parameter(rows_.values, 0),
                        .bias = parameter(rows_.values, 1),
                        .weight_gradient = parameter(rows_.gradients, 0),
                        .bias_gradient = parameter(rows_.gradients, 1)}};
    v.grouped.x = packed(x_);
    v.grouped.dy = packed(dy_);
    v.grouped.weight = weight_.narrow(0, 0, active * own_[0].shape.front());
    const auto split = [&](const at::Tensor& t) {
      return t.unflatten(1, {active, t.size(1) / active}).transpose(0, 1);
    };
    v.x_clients = split(v.grouped.x);
    v.dy_clients = split(v.grouped.dy);
    v.weight_clients = v.grouped.weight.view(v.stacked.weight.sizes());
    if (has_bias()) {
      v.grouped.bias = bias_.narrow(0, 0, active * own_[0].shape.front());
      v.bias_clients = v.grouped.bias.view(v.stacked.bias.sizes());
    }
    return v;
  }

  Steps steps_;
  Activation input_, output_;
  ParameterRows rows_;
  std::vector<Parameter> own_;
  at::Tensor x_, dy_, weight_, bias_;
  ByActive<Views> views_;
  Views* now_ = nullptr;
  std::int64_t active_ = 0;
};

class Conv2d final : public Layer {
 public:
  Conv2d(std::int64_t channels, std::int64_t kernel, std::int64_t padding, std::int64_t stride, Bias bias)
      : channels_(channels), kernel_(kernel), padding_(padding), stride_(stride), bias_(bias) {
    ensure(channels > 0 && kernel > 0 && padding >= 0 && stride > 0,
           "convolution of {} channels, kernel {}, padding {}, stride {}", channels, kernel, padding, stride);
  }

  std::string_view kind() const override { return "conv"; }
  Shape output(const Shape& input) const override {
    const auto steps = [&](std::int64_t side) { return side + 2 * padding_ - kernel_; };
    if (steps(input.height) < 0 || steps(input.width) < 0) {
      user_error("images of {} x {} are too small for a {} x {} convolution. Choose another model.", input.height,
                 input.width, kernel_, kernel_);
    }
    return {channels_, steps(input.height) / stride_ + 1, steps(input.width) / stride_ + 1};
  }
  std::vector<Parameter> parameters(const Shape& input) const override {
    std::vector<Parameter> own{{.name = "weight", .shape = {channels_, input.channels, kernel_, kernel_}}};
    if (bias_ == Bias::own) own.push_back({.name = "bias", .shape = {channels_}});
    return own;
  }
  void initialize(std::span<float> values, const Shape& input, RandomStream& random) const override {
    draw_uniform(values, input.channels * kernel_ * kernel_, random);
  }
  double flops(const Shape& input) const override {
    return 2.0 * (output(input).size() * input.channels * kernel_ * kernel_);
  }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own, const StackForm& form) const override {
    const Steps steps{.stride = {stride_, stride_}, .padding = {padding_, padding_}};
    if (form.convolution == StackForm::Convolution::grouped && input.clients() > 1) {
      return std::make_unique<GroupedConv2d>(input, output(input.shape), steps, rows, own);
    }
    return std::make_unique<StackedConv2d>(input, output(input.shape), steps, rows, own);
  }

 private:
  std::int64_t channels_, kernel_, padding_, stride_;
  Bias bias_;
};

}  // namespace

std::shared_ptr<const Layer> conv2d(std::int64_t channels, std::int64_t kernel, std::int64_t padding,
                                    std::int64_t stride, Bias bias) {
  return std::make_shared<Conv2d>(channels, kernel, padding, stride, bias);
}

}  // namespace shoal::layers
