#include "sim/nn/layers/avg_pool2d.hpp"

#include <ATen/ops/mean.h>

namespace shoal::layers {
namespace {

Shape pooled(const Shape& input) { return {input.channels, 1, 1}; }

class StackedAvgPool2d final : public StackedLayer {
 public:
  explicit StackedAvgPool2d(const Activation& input)
      : input_(input), output_(make_output(input, pooled(input.shape))), active_(input.clients()) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }

  void forward() override {
    images([&](std::int64_t from, std::int64_t to) {
      const float* __restrict x = input_.value.const_data_ptr<float>() + from;
      float* __restrict y = output_.value.mutable_data_ptr<float>() + to;
      for (std::int64_t c = 0; c < channels(); ++c) y[c] = 0;
      for (std::int64_t p = 0; p < pixels(); ++p, x += channels()) {
        for (std::int64_t c = 0; c < channels(); ++c) y[c] += x[c];
      }
      for (std::int64_t c = 0; c < channels(); ++c) y[c] /= static_cast<float>(pixels());
    });
  }

  void backward(const GradientUse&) override {
    if (!input_.gradient.defined()) return;
    images([&](std::int64_t from, std::int64_t to) {
      float* __restrict dx = input_.gradient.mutable_data_ptr<float>() + from;
      const float* __restrict dy = output_.gradient.const_data_ptr<float>() + to;
      for (std::int64_t p = 0; p < pixels(); ++p, dx += channels()) {
        for (std::int64_t c = 0; c < channels(); ++c) dx[c] = dy[c] / static_cast<float>(pixels());
      }
    });
  }

 private:
  std::int64_t channels() const { return input_.shape.channels; }
  std::int64_t pixels() const { return input_.shape.height * input_.shape.width; }
  // Calls visit(offset of the image in the input, offset of its means in the output).
  void images(const auto& visit) const {
    for (std::int64_t k = 0; k < active_; ++k) {
      for (std::int64_t b = 0; b < input_.batch(); ++b) {
        visit(k * input_.value.stride(0) + b * input_.shape.size(), k * output_.value.stride(0) + b * channels());
      }
    }
  }

  Activation input_, output_;
  std::int64_t active_;
};

class LibraryAvgPool2d final : public StackedLayer {
 public:
  explicit LibraryAvgPool2d(const Activation& input)
      : input_(input), output_(make_output(input, pooled(input.shape))), active_(make(input.clients())) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = make(active); }
  void forward() override { at::mean_out(active_.y, active_.x, {2}); }
  void backward(const GradientUse&) override {
    if (active_.dx.defined()) active_.dx.copy_(active_.dy).div_(active_.dx.size(2));
  }

 private:
  struct Views {
    at::Tensor x, dx, y, dy;  // [active, B, pixels, channels]; y and dy without pixels, dy expanded over them
  };
  Views make(std::int64_t active) const {
    const Activation in = input_.first(active), out = output_.first(active);
    const std::int64_t channels = in.shape.channels, pixels = in.shape.height * in.shape.width;
    const auto images = [&](const at::Tensor& t) {
      return t.defined() ? t.view({active, in.batch(), pixels, channels}) : t;
    };
    return {images(in.value), images(in.gradient), out.value,
            out.gradient.defined() ? out.gradient.unsqueeze(2) : at::Tensor()};
  }

  Activation input_, output_;
  Views active_;
};

class GlobalAvgPool2d final : public Layer {
 public:
  std::string_view kind() const override { return "pool"; }
  Shape output(const Shape& input) const override { return pooled(input); }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows&, std::span<const Parameter>,
                                      const StackForm& form) const override {
    if (form.arithmetic == StackForm::Arithmetic::library) return std::make_unique<LibraryAvgPool2d>(input);
    return std::make_unique<StackedAvgPool2d>(input);
  }
};

}  // namespace

std::shared_ptr<const Layer> global_avg_pool2d() { return std::make_shared<GlobalAvgPool2d>(); }

}  // namespace shoal::layers
