// Images to vectors. Vectors are channel by channel as in PyTorch, so that models load there; images are channels last.
#include "sim/task/layers/layer.hpp"

namespace shoal::layers {
namespace {

/// Each of `count` matrices [rows, columns] of `from`, transposed, to `to`.
void transpose(std::int64_t count, std::int64_t rows, std::int64_t columns, const float* __restrict from,
               float* __restrict to) {
  for (std::int64_t m = 0; m < count; ++m, from += rows * columns, to += rows * columns) {
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t r = 0; r < rows; ++r) to[c * rows + r] = from[r * columns + c];
    }
  }
}

bool same_order(const Shape& shape) { return shape.channels == 1 || shape.height * shape.width == 1; }

class StackedFlatten final : public StackedLayer {
 public:
  explicit StackedFlatten(const Activation& input) : input_(input) {
    const Shape flat{input.shape.size(), 1, 1};
    if (same_order(input.shape)) {
      output_ = {flat, input.value, input.gradient};
    } else {
      output_ = make_activation(input.clients(), input.batch(), flat);
    }
  }

  const Activation& output() const override { return output_; }
  void forward() override {
    const Shape& s = input_.shape;
    if (same_order(s)) return;
    transpose(input_.clients() * input_.batch(), s.height * s.width, s.channels, input_.value.const_data_ptr<float>(),
              output_.value.mutable_data_ptr<float>());
  }
  void backward(const GradientUse&) override {
    const Shape& s = input_.shape;
    if (same_order(s) || !input_.gradient.defined()) return;
    transpose(input_.clients() * input_.batch(), s.channels, s.height * s.width,
              output_.gradient.const_data_ptr<float>(), input_.gradient.mutable_data_ptr<float>());
  }

 private:
  Activation input_, output_;
};

class Flatten final : public Layer {
 public:
  std::string_view kind() const override { return "flatten"; }
  Shape output(const Shape& input) const override { return {input.size(), 1, 1}; }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows&,
                                      std::span<const Parameter>) const override {
    return std::make_unique<StackedFlatten>(input);
  }
};

}  // namespace

std::shared_ptr<const Layer> flatten() { return std::make_shared<Flatten>(); }

}  // namespace shoal::layers
