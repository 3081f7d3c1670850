#include "sim/nn/layers/embedding.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/gather.h>

#include <algorithm>

#include "sim/error.hpp"

namespace shoal::layers {
namespace {

Shape embedded(const Shape& input, std::int64_t width) { return {width, 1, input.size()}; }

class StackedEmbedding final : public StackedLayer {
 public:
  StackedEmbedding(const Activation& input, std::int64_t vocabulary, std::int64_t width, const ParameterRows& rows,
                   const Parameter& weight)
      : vocabulary_(vocabulary),
        width_(width),
        input_(input),
        output_(make_output(input, embedded(input.shape, width))),
        rows_(rows),
        weight_(weight),
        active_(input.clients()),
        tokens_(input.clients() * input.batch() * input.shape.size()) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }

  void forward() override {
    for (std::int64_t k = 0; k < active_; ++k) {
      const float* x = input_.value.const_data_ptr<float>() + k * input_.value.stride(0);
      const float* weight = row(rows_.values, k);
      float* y = output_.value.mutable_data_ptr<float>() + k * output_.value.stride(0);
      for (std::int64_t i = 0; i < positions(); ++i, y += width_) {
        ensure(x[i] >= 0 && x[i] < vocabulary_, "token {} of a vocabulary of {}", x[i], vocabulary_);
        tokens_[k * positions() + i] = x[i];
        std::copy_n(weight + tokens_[k * positions() + i] * width_, width_, y);
      }
    }
  }

  void backward(const GradientUse& use) override {
    for (std::int64_t k = 0; k < active_; ++k) {
      float* target = row(use.rows(rows_), k);
      if (use.keep == 0) std::fill_n(target, weight_.size, 0.0F);
      const float* dy = output_.gradient.const_data_ptr<float>() + k * output_.gradient.stride(0);
      for (std::int64_t i = 0; i < positions(); ++i, dy += width_) {
        float* to = target + tokens_[k * positions() + i] * width_;
        for (std::int64_t c = 0; c < width_; ++c) to[c] += use.scale * dy[c];
      }
    }
  }

 private:
  std::int64_t positions() const { return input_.batch() * input_.shape.size(); }
  float* row(const at::Tensor& of, std::int64_t k) const {
    return of.mutable_data_ptr<float>() + k * of.stride(0) + weight_.offset;
  }

  std::int64_t vocabulary_, width_;
  Activation input_, output_;
  ParameterRows rows_;
  Parameter weight_;
  std::int64_t active_;
  std::vector<std::int32_t> tokens_;  // those of the forward pass
};

// The weight's gradient is a product with one-hot rows, because sums at repeated tokens have no fixed order on a GPU.
class LibraryEmbedding final : public StackedLayer {
 public:
  LibraryEmbedding(const Activation& input, std::int64_t vocabulary, std::int64_t width, const ParameterRows& rows,
                   const Parameter& weight)
      : width_(width),
        input_(input),
        output_(make_output(input, embedded(input.shape, width))),
        rows_(rows),
        weight_(weight),
        words_(at::arange(vocabulary, input.value.options())),
        active_(input.clients()) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }

  void forward() override {
    const at::Tensor tokens = input_.first(active_).value.reshape({active_, -1, 1});
    one_hot_ = tokens.eq(words_).to(at::kFloat);  // [A, positions, vocabulary]
    rows_of(output_.value).copy_(at::gather(weights(rows_.values), 1, tokens.to(at::kLong).expand({-1, -1, width_})));
  }

  void backward(const GradientUse& use) override {
    at::Tensor target = weights(use.rows(rows_));
    at::baddbmm_out(target, target, one_hot_.transpose(1, 2), rows_of(output_.gradient), use.keep, use.scale);
  }

 private:
  at::Tensor weights(const at::Tensor& of) const { return view_parameter(of, weight_).narrow(0, 0, active_); }
  at::Tensor rows_of(const at::Tensor& t) const { return t.narrow(0, 0, active_).view({active_, -1, width_}); }

  std::int64_t width_;
  Activation input_, output_;
  ParameterRows rows_;
  Parameter weight_;
  at::Tensor words_, one_hot_;
  std::int64_t active_;
};

class Embedding final : public Layer {
 public:
  Embedding(std::int64_t vocabulary, std::int64_t width) : vocabulary_(vocabulary), width_(width) {
    ensure(vocabulary > 0 && vocabulary <= 1 << 24 && width > 0, "embedding of {} tokens as {} values", vocabulary,
           width);  // a float holds whole numbers up to 2^24
  }

  std::string_view kind() const override { return "embedding"; }
  Shape output(const Shape& input) const override { return embedded(input, width_); }
  std::vector<Parameter> parameters(const Shape&) const override {
    return {{.name = "weight", .shape = {vocabulary_, width_}}};
  }
  // Standard normal, PyTorch's default.
  void initialize(std::span<float> values, const Shape&, RandomStream& random) const override {
    for (float& value : values) value = random.normal();
  }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own, const StackForm& form) const override {
    ensure(!input.gradient.defined(), "an embedding comes first in its network");
    if (form.arithmetic == StackForm::Arithmetic::library) {
      return std::make_unique<LibraryEmbedding>(input, vocabulary_, width_, rows, own[0]);
    }
    return std::make_unique<StackedEmbedding>(input, vocabulary_, width_, rows, own[0]);
  }

 private:
  std::int64_t vocabulary_, width_;
};

}  // namespace

std::shared_ptr<const Layer> embedding(std::int64_t vocabulary, std::int64_t width) {
  return std::make_shared<Embedding>(vocabulary, width);
}

}  // namespace shoal::layers
