// Convolution, stride 1, channels last: oneDNN's direct kernels run at the speed of a matrix product in this layout and
// at half of it in the other. Clients of a block take turns: one client's batch already fills a core.
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>

#include "sim/error.hpp"
#include "sim/task/layers/layer.hpp"

namespace shoal::layers {
namespace {

/// Client k's images as [B, channels, height, width] with channels innermost in memory.
at::Tensor images(const at::Tensor& stacked, const Shape& s, std::int64_t k) {
  return stacked.select(0, k).as_strided({stacked.size(1), s.channels, s.height, s.width},
                                         {s.size(), 1, s.width * s.channels, s.channels}, k * stacked.stride(0));
}

/// target = keep target + scale g.
void change(at::Tensor& target, const at::Tensor& g, const GradientUse& use) {
  if (use.keep == 0) {
    target.copy_(g);
  } else {
    target.add_(g, use.scale);
  }
}

class StackedConv2d final : public StackedLayer {
 public:
  StackedConv2d(const Activation& input, const Shape& shape, std::int64_t padding, const ParameterRows& rows,
                std::span<const Parameter> own)
      : padding_{padding, padding}, output_(make_activation(input.clients(), input.batch(), shape)) {
    const auto parameter = [&](const at::Tensor& of, std::size_t i, std::int64_t k) {
      return view_parameter(of, own[i]).select(0, k);
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

  void forward() override {
    for (Client& c : clients_) {
      c.y.copy_(at::convolution(c.x, c.weight, c.bias, one_, padding_, one_, false, {0, 0}, 1));
    }
  }

  void backward(const GradientUse& use) override {
    const bool on_parameters = use.target == GradientUse::Target::parameters;
    for (Client& c : clients_) {
      const auto [dx, dweight, dbias] =
          at::convolution_backward(c.dy, c.x, c.weight, at::OptionalIntArrayRef(c.bias.sizes()), one_, padding_, one_,
                                   false, {0, 0}, 1, {c.dx.defined(), true, true});
      if (c.dx.defined()) c.dx.copy_(dx);
      change(on_parameters ? c.weight : c.weight_gradient, dweight, use);
      change(on_parameters ? c.bias : c.bias_gradient, dbias, use);
    }
  }

 private:
  struct Client {
    at::Tensor x, dx, y, dy, weight, bias, weight_gradient, bias_gradient;
  };

  std::vector<std::int64_t> one_{1, 1}, padding_;
  Activation output_;
  std::vector<Client> clients_;
};

class Conv2d final : public Layer {
 public:
  Conv2d(std::int64_t channels, std::int64_t kernel, std::int64_t padding)
      : channels_(channels), kernel_(kernel), padding_(padding) {
    ensure(channels > 0 && kernel > 0 && padding >= 0, "convolution of {} channels, kernel {}, padding {}", channels,
           kernel, padding);
  }

  std::string_view kind() const override { return "conv"; }
  Shape output(const Shape& input) const override {
    const Shape out{channels_, input.height + 2 * padding_ - kernel_ + 1, input.width + 2 * padding_ - kernel_ + 1};
    if (out.height < 1 || out.width < 1) {
      user_error("images of {} x {} are too small for a {} x {} convolution. Choose another model?", input.height,
                 input.width, kernel_, kernel_);
    }
    return out;
  }
  std::vector<std::int64_t> weight(const Shape& input) const override {
    return {channels_, input.channels, kernel_, kernel_};
  }
  double flops(const Shape& input) const override {
    return 2.0 * static_cast<double>(output(input).size() * input.channels * kernel_ * kernel_);
  }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own) const override {
    return std::make_unique<StackedConv2d>(input, output(input.shape), padding_, rows, own);
  }

 private:
  std::int64_t channels_, kernel_, padding_;
};

}  // namespace

std::shared_ptr<const Layer> conv2d(std::int64_t channels, std::int64_t kernel, std::int64_t padding) {
  return std::make_shared<Conv2d>(channels, kernel, padding);
}

}  // namespace shoal::layers
