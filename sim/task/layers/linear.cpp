// y = x W^T + b. The weight stands as [out, in]: of the two layouts the one whose products are faster at small batches.
#include <ATen/ops/addmm.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "sim/error.hpp"
#include "sim/task/layers/layer.hpp"

namespace shoal::layers {
namespace {

/// Views of one product's operands: matrices for one client, stacks of matrices for more.
at::Tensor matrix(const at::Tensor& stacked) { return stacked.size(0) == 1 ? stacked.squeeze(0) : stacked; }

class StackedLinear final : public StackedLayer {
 public:
  StackedLinear(const Activation& input, const ParameterRows& rows, std::span<const Parameter> own)
      : clients_(input.clients()),
        batch_(input.batch()),
        units_(own[0].shape[0]),
        output_(make_activation(clients_, batch_, {units_, 1, 1})),
        input_(matrix(input.value)),
        output_value_(matrix(output_.value)),
        output_gradient_(matrix(output_.gradient)),
        output_gradient_t_(output_gradient_.transpose(-1, -2)),
        weight_(matrix(view_parameter(rows.values, own[0]))),
        weight_t_(weight_.transpose(-1, -2)),
        weight_gradient_(matrix(view_parameter(rows.gradients, own[0]))),
        bias_(view_parameter(rows.values, own[1])),
        bias_gradient_(view_parameter(rows.gradients, own[1])) {
    if (input.gradient.defined()) input_gradient_ = matrix(input.gradient);
  }

  const Activation& output() const override { return output_; }

  void forward() override {
    if (clients_ == 1) {
      at::mm_out(output_value_, input_, weight_t_);
    } else {
      at::bmm_out(output_value_, input_, weight_t_);
    }
    float* y = output_.value.mutable_data_ptr<float>();
    for (std::int64_t k = 0; k < clients_; ++k) {
      const float* b = bias_.const_data_ptr<float>() + k * bias_.stride(0);
      for (std::int64_t row = 0; row < batch_; ++row, y += units_) add(y, b);
    }
  }

  void backward(const GradientUse& use) override {
    const bool on_parameters = use.target == GradientUse::Target::parameters;
    at::Tensor& target = on_parameters ? weight_ : weight_gradient_;
    if (clients_ == 1) {
      if (input_gradient_.defined()) at::mm_out(input_gradient_, output_gradient_, weight_);
      at::addmm_out(target, target, output_gradient_t_, input_, use.keep, use.scale);
    } else {
      if (input_gradient_.defined()) at::bmm_out(input_gradient_, output_gradient_, weight_);
      at::baddbmm_out(target, target, output_gradient_t_, input_, use.keep, use.scale);
    }
    change_bias(on_parameters ? bias_ : bias_gradient_, use);
  }

 private:
  void add(float* __restrict y, const float* __restrict b) const {
    for (std::int64_t i = 0; i < units_; ++i) y[i] += b[i];
  }

  void change_bias(at::Tensor& target, const GradientUse& use) {
    const float* dy = output_.gradient.const_data_ptr<float>();
    for (std::int64_t k = 0; k < clients_; ++k) {
      float* b = target.mutable_data_ptr<float>() + k * target.stride(0);
      if (use.keep == 0) std::fill(b, b + units_, 0.0F);
      for (std::int64_t row = 0; row < batch_; ++row, dy += units_) add_scaled(b, dy, use.scale);
    }
  }

  void add_scaled(float* __restrict b, const float* __restrict dy, float scale) const {
    for (std::int64_t i = 0; i < units_; ++i) b[i] += scale * dy[i];
  }

  std::int64_t clients_, batch_, units_;
  Activation output_;
  at::Tensor input_, input_gradient_, output_value_, output_gradient_, output_gradient_t_;
  at::Tensor weight_, weight_t_, weight_gradient_, bias_, bias_gradient_;
};

class Linear final : public Layer {
 public:
  explicit Linear(std::int64_t units) : units_(units) { ensure(units > 0, "dense layer of {} units", units); }

  std::string_view kind() const override { return "dense"; }
  Shape output(const Shape& input) const override {
    ensure(input.size() == input.channels, "a dense layer takes plain vectors; put flatten() before it");
    return {units_, 1, 1};
  }
  std::vector<std::int64_t> weight(const Shape& input) const override { return {units_, input.size()}; }
  double flops(const Shape& input) const override { return 2.0 * static_cast<double>(units_ * input.size()); }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own) const override {
    return std::make_unique<StackedLinear>(input, rows, own);
  }

 private:
  std::int64_t units_;
};

}  // namespace

std::shared_ptr<const Layer> linear(std::int64_t units) { return std::make_shared<Linear>(units); }

}  // namespace shoal::layers
