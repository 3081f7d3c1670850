// max(x, 0), in place in both directions. NaN passes, so divergence stays visible.
#include "sim/task/layers/layer.hpp"

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
  explicit StackedRelu(const Activation& input) : both_(input) {}

  const Activation& output() const override { return both_; }
  void forward() override { cut_negative(both_.value.numel(), both_.value.mutable_data_ptr<float>()); }
  void backward(const GradientUse&) override {
    if (!both_.gradient.defined()) return;
    mask(both_.value.numel(), both_.value.const_data_ptr<float>(), both_.gradient.mutable_data_ptr<float>());
  }

 private:
  Activation both_;
};

class Relu final : public Layer {
 public:
  std::string_view kind() const override { return "relu"; }
  Shape output(const Shape& input) const override { return input; }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows&,
                                      std::span<const Parameter>) const override {
    return std::make_unique<StackedRelu>(input);
  }
};

}  // namespace

std::shared_ptr<const Layer> relu() { return std::make_shared<Relu>(); }

}  // namespace shoal::layers
