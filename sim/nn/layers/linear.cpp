// y = x W^T + b. The weight is stored as [out, in], the layout whose products are faster at small batches.
#include "sim/nn/layers/linear.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include <algorithm>

#include "sim/error.hpp"

namespace shoal::layers {
namespace {

void add(std::int64_t n, float* __restrict y, const float* __restrict b) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += b[i];
}

void add_scaled(std::int64_t n, float* __restrict b, const float* __restrict dy, float scale) {
  for (std::int64_t i = 0; i < n; ++i) b[i] += scale * dy[i];
}

// Operands of the products: matrices for one client, stacks of matrices for a block, even when one client is left.
// The library computes each matrix of a stack on its own, so that neighbours do not matter (tests/sim/task/blocks.cpp).
struct LinearViews {
  at::Tensor x, dx, y, dy, dy_t, weight, weight_t, weight_gradient, bias, bias_gradient;

  LinearViews(const Activation& input, const Activation& output, const ParameterRows& rows,
              std::span<const Parameter> own, std::int64_t active) {
    const bool alone = input.clients() == 1;
    const auto part = [&](const at::Tensor& stacked) {
      if (!stacked.defined()) return stacked;
      return alone ? stacked.squeeze(0) : stacked.narrow(0, 0, active);
    };
    x = part(input.value);
    dx = part(input.gradient);
    y = part(output.value);
    dy = part(output.gradient);
    dy_t = dy.transpose(-1, -2);
    weight = part(view_parameter(rows.values, own[0]));
    weight_t = weight.transpose(-1, -2);
    weight_gradient = part(view_parameter(rows.gradients, own[0]));
    bias = part(view_parameter(rows.values, own[1]));
    bias_gradient = part(view_parameter(rows.gradients, own[1]));
  }
};

class StackedLinear final : public StackedLayer {
 public:
  StackedLinear(const Activation& input, std::int64_t units, const ParameterRows& rows, std::span<const Parameter> own,
                const StackForm& form)
      : library_(form.arithmetic == StackForm::Arithmetic::library),
        input_(input),
        output_(make_output(input, {units, 1, 1})),
        rows_(rows),
        own_(own.begin(), own.end()),
        views_(input.clients()) {
    if (library_) bias_sum_ = at::empty({input.clients(), units}, input.value.options());
    StackedLinear::use(input.clients());
  }

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override {
    active_ = active;
    now_ = &views_.get(active, [&] { return LinearViews(input_, output_, rows_, own_, active); });
  }

  void forward() override {
    if (input_.clients() == 1) {
      at::mm_out(now_->y, now_->x, now_->weight_t);
    } else {
      at::bmm_out(now_->y, now_->x, now_->weight_t);
    }
    add_bias();
  }

  void backward(const GradientUse& use) override {
    const bool on_parameters = use.target == GradientUse::Target::parameters;
    at::Tensor& target = on_parameters ? now_->weight : now_->weight_gradient;
    if (input_.clients() == 1) {
      if (now_->dx.defined()) at::mm_out(now_->dx, now_->dy, now_->weight);
      at::addmm_out(target, target, now_->dy_t, now_->x, use.keep, use.scale);
    } else {
      if (now_->dx.defined()) at::bmm_out(now_->dx, now_->dy, now_->weight);
      at::baddbmm_out(target, target, now_->dy_t, now_->x, use.keep, use.scale);
    }
    change_bias(on_parameters ? now_->bias : now_->bias_gradient, use);
  }

 private:
  std::int64_t units() const { return output_.shape.channels; }

  void add_bias() {
    if (library_) {
      now_->y.add_(now_->bias.unsqueeze(-2));
      return;
    }
    for (std::int64_t k = 0; k < active_; ++k) {
      float* y = output_.value.mutable_data_ptr<float>() + k * output_.value.stride(0);
      const float* b = now_->bias.const_data_ptr<float>() + k * rows_.values.stride(0);
      for (std::int64_t row = 0; row < input_.batch(); ++row, y += units()) add(units(), y, b);
    }
  }

  void change_bias(at::Tensor& target, const GradientUse& use) {
    if (library_) {
      at::Tensor sum = bias_sum_.narrow(0, 0, active_).view(target.sizes());
      at::sum_out(sum, now_->dy, {-2});
      if (use.keep == 0) {
        target.copy_(sum);
      } else {
        target.add_(sum, use.scale);
      }
      return;
    }
    for (std::int64_t k = 0; k < active_; ++k) {
      const float* dy = output_.gradient.const_data_ptr<float>() + k * output_.gradient.stride(0);
      float* b = target.mutable_data_ptr<float>() + k * rows_.values.stride(0);
      if (use.keep == 0) std::fill(b, b + units(), 0.0F);
      for (std::int64_t row = 0; row < input_.batch(); ++row, dy += units()) add_scaled(units(), b, dy, use.scale);
    }
  }

  bool library_;
  Activation input_, output_;
  ParameterRows rows_;
  std::vector<Parameter> own_;
  ByActive<LinearViews> views_;
  LinearViews* now_ = nullptr;
  std::int64_t active_ = 0;
  at::Tensor bias_sum_;  // [K, units], for the library alone
};

class Linear final : public Layer {
 public:
  explicit Linear(std::int64_t units) : units_(units) { ensure(units > 0, "dense layer of {} units", units); }

  std::string_view kind() const override { return "dense"; }
  Shape output(const Shape& input) const override {
    ensure(input.size() == input.channels, "a dense layer takes plain vectors; put flatten() before it");
    return {units_, 1, 1};
  }
  std::vector<Parameter> parameters(const Shape& input) const override {
    return {{.name = "weight", .shape = {units_, input.size()}}, {.name = "bias", .shape = {units_}}};
  }
  void initialize(std::span<float> values, const Shape& input, RandomStream& random) const override {
    draw_uniform(values, input.size(), random);
  }
  double flops(const Shape& input) const override { return 2.0 * (units_ * input.size()); }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own, const StackForm& form) const override {
    return std::make_unique<StackedLinear>(input, units_, rows, own, form);
  }

 private:
  std::int64_t units_;
};

}  // namespace

std::shared_ptr<const Layer> linear(std::int64_t units) { return std::make_shared<Linear>(units); }

}  // namespace shoal::layers
