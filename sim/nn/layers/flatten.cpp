// Turns images, stored channels last, into vectors, ordered channel by channel as in PyTorch so that models load there.
#include "sim/nn/layers/flatten.hpp"

namespace shoal::layers {
namespace {

// Writes the transpose of each of `count` matrices [rows, columns] of `from` to `to`.
void transpose(std::int64_t count, std::int64_t rows, std::int64_t columns, const float* __restrict from,
               float* __restrict to) {
  for (std::int64_t m = 0; m < count; ++m, from += rows * columns, to += rows * columns) {
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t r = 0; r < rows; ++r) to[c * rows + r] = from[r * columns + c];
    }
  }
}

bool same_order(const Shape& shape) { return shape.channels == 1 || shape.height * shape.width == 1; }

Shape flat(const Shape& shape) { return {shape.size(), 1, 1}; }

// Does nothing: the output is the input's memory.
class SameMemory final : public StackedLayer {
 public:
  explicit SameMemory(const Activation& input)
      : output_{flat(input.shape), input.value, input.gradient, input.weights} {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t) override {}
  void forward() override {}
  void backward(const GradientUse&) override {}

 private:
  Activation output_;
};

class StackedFlatten final : public StackedLayer {
 public:
  explicit StackedFlatten(const Activation& input)
      : input_(input), output_(make_output(input, flat(input.shape))), active_(input.clients()) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }
  void forward() override {
    const Shape& s = input_.shape;
    for (std::int64_t k = 0; k < active_; ++k) {
      transpose(input_.batch(), s.height * s.width, s.channels,
                input_.value.const_data_ptr<float>() + k * input_.value.stride(0),
                output_.value.mutable_data_ptr<float>() + k * output_.value.stride(0));
    }
  }
  void backward(const GradientUse&) override {
    const Shape& s = input_.shape;
    if (!input_.gradient.defined()) return;
    for (std::int64_t k = 0; k < active_; ++k) {
      transpose(input_.batch(), s.channels, s.height * s.width,
                output_.gradient.const_data_ptr<float>() + k * output_.gradient.stride(0),
                input_.gradient.mutable_data_ptr<float>() + k * input_.gradient.stride(0));
    }
  }

 private:
  Activation input_, output_;
  std::int64_t active_;
};

class LibraryFlatten final : public StackedLayer {
 public:
  explicit LibraryFlatten(const Activation& input)
      : input_(input), output_(make_output(input, flat(input.shape))), active_(make(input.clients())) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = make(active); }
  void forward() override { active_.y.copy_(active_.x); }
  void backward(const GradientUse&) override {
    if (active_.dx.defined()) active_.dx.copy_(active_.dy);
  }

 private:
  struct Views {
    at::Tensor x, dx, y, dy;  // [active, B, pixels, channels]
  };
  Views make(std::int64_t active) const {
    const Activation in = input_.first(active), out = output_.first(active);
    const std::int64_t channels = in.shape.channels, pixels = in.shape.size() / channels;
    const auto channels_last = [&](const at::Tensor& t) {
      return t.defined() ? t.view({active, in.batch(), pixels, channels}) : t;
    };
    const auto channels_first = [&](const at::Tensor& t) {
      return t.view({active, in.batch(), channels, pixels}).transpose(2, 3);
    };
    return {channels_last(in.value), channels_last(in.gradient), channels_first(out.value),
            channels_first(out.gradient)};
  }

  Activation input_, output_;
  Views active_;
};

class Flatten final : public Layer {
 public:
  std::string_view kind() const override { return "flatten"; }
  Shape output(const Shape& input) const override { return {input.size(), 1, 1}; }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows&, std::span<const Parameter>,
                                      const StackForm& form) const override {
    if (same_order(input.shape)) return std::make_unique<SameMemory>(input);
    if (form.arithmetic == StackForm::Arithmetic::library) return std::make_unique<LibraryFlatten>(input);
    return std::make_unique<StackedFlatten>(input);
  }
};

}  // namespace

std::shared_ptr<const Layer> flatten() { return std::make_shared<Flatten>(); }

}  // namespace shoal::layers
