// A constant factor during training, in place in both directions.
#include "sim/nn/layers/scaler.hpp"

#include "sim/error.hpp"

namespace shoal::layers {
namespace {

void multiply(std::int64_t n, float factor, float* x) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

class StackedScaler final : public StackedLayer {
 public:
  StackedScaler(const Activation& input, float factor)
      : both_(input), factor_(factor), size_(input.clients() * input.value.stride(0)) {}

  const Activation& output() const override { return both_; }
  void use(std::int64_t active) override { size_ = active * both_.value.stride(0); }
  void forward() override { multiply(size_, factor_, both_.value.mutable_data_ptr<float>()); }
  void evaluate() override {}
  void backward(const GradientUse&) override {
    if (both_.gradient.defined()) multiply(size_, factor_, both_.gradient.mutable_data_ptr<float>());
  }

 private:
  Activation both_;
  float factor_;
  std::int64_t size_;  // values of the active clients and the padding between them
};

class LibraryScaler final : public StackedLayer {
 public:
  LibraryScaler(const Activation& input, float factor) : both_(input), active_(input), factor_(factor) {}

  const Activation& output() const override { return both_; }
  void use(std::int64_t active) override { active_ = both_.first(active); }
  void forward() override { active_.value.mul_(factor_); }
  void evaluate() override {}
  void backward(const GradientUse&) override {
    if (both_.gradient.defined()) active_.gradient.mul_(factor_);
  }

 private:
  Activation both_, active_;
  float factor_;
};

class Scaler final : public Layer {
 public:
  explicit Scaler(double factor) : factor_(factor) { ensure(factor > 0, "a scaler with the factor {}", factor); }

  std::string_view kind() const override { return "scaler"; }
  Shape output(const Shape& input) const override { return input; }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows&, std::span<const Parameter>,
                                      const StackForm& form) const override {
    if (form.arithmetic == StackForm::Arithmetic::library) return std::make_unique<LibraryScaler>(input, factor_);
    return std::make_unique<StackedScaler>(input, factor_);
  }

 private:
  float factor_;
};

}  // namespace

std::shared_ptr<const Layer> scaler(double factor) { return std::make_shared<Scaler>(factor); }

}  // namespace shoal::layers
