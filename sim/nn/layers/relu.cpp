// max(x, 0), in place in both directions. NaN passes, so that divergence stays visible.
#include "sim/nn/layers/relu.hpp"

#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>

namespace shoal::layers {
namespace {

void cut_negative(std::int64_t n, float* x) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] < 0 ? 0 : x[i];
}

void mask(std::int64_t n, const float* __restrict y, float* __restrict dy) {
  for (std::int64_t i = 0; i < n; ++i) dy[i] = y[i] <= 0 ? 0 : dy[i];
}

class StackedRelu final : public StackedLayer {
 public:
  explicit StackedRelu(const Activation& input) : both_(input), size_(input.clients() * input.value.stride(0)) {}

  const Activation& output() const override { return both_; }
  void use(std::int64_t active) override { size_ = active * both_.value.stride(0); }
  void forward() override { cut_negative(size_, both_.value.mutable_data_ptr<float>()); }
  void backward(const GradientUse&) override {
    if (!both_.gradient.defined()) return;
    mask(size_, both_.value.const_data_ptr<float>(), both_.gradient.mutable_data_ptr<float>());
  }

 private:
  Activation both_;
  std::int64_t size_;  // values of the active clients and the padding between them
};

class LibraryRelu final : public StackedLayer {
 public:
  explicit LibraryRelu(const Activation& input) : both_(input), active_(input) {}

  const Activation& output() const override { return both_; }
  void use(std::int64_t active) override { active_ = both_.first(active); }
  void forward() override { at::relu_(active_.value); }
  void backward(const GradientUse&) override {
    if (!both_.gradient.defined()) return;
    at::threshold_backward_out(active_.gradient, active_.gradient, active_.value, 0);
  }

 private:
  Activation both_, active_;
};

class Relu final : public Layer {
 public:
  std::string_view kind() const override { return "relu"; }
  Shape output(const Shape& input) const override { return input; }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows&, std::span<const Parameter>,
                                      const StackForm& form) const override {
    if (form.arithmetic == StackForm::Arithmetic::library) return std::make_unique<LibraryRelu>(input);
    return std::make_unique<StackedRelu>(input);
  }
};

}  // namespace

std::shared_ptr<const Layer> relu() { return std::make_shared<Relu>(); }

}  // namespace shoal::layers
