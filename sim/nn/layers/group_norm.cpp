// Group normalization (Wu and He 2018, arXiv 1803.08494). It keeps nothing between batches, which suits clients with
// little data (Hsieh et al. 2020, arXiv 1910.00189).
#include "sim/nn/layers/group_norm.hpp"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "sim/error.hpp"
#include "sim/nn/layers/normalization.hpp"

namespace shoal::layers {
namespace {

enum Own : std::size_t { weight, bias };

class StackedGroupNorm final : public StackedLayer {
 public:
  StackedGroupNorm(const Activation& input, std::int64_t groups, const ParameterRows& rows,
                   std::span<const Parameter> own)
      : input_(input),
        output_(make_output(input, input.shape)),
        width_(input.shape.channels / groups),
        rows_(rows),
        own_(own.begin(), own.end()),
        active_(input.clients()) {
    const std::size_t each = input.shape.channels;
    mean_.resize(input.clients() * input.batch() * each);
    factor_.resize(mean_.size());
    for (std::vector<double>* sums : {&sums_, &products_, &weight_sums_, &bias_sums_}) sums->resize(each);
    for (std::vector<float>* scales : {&a_, &b_, &c_}) scales->resize(each);
  }

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }

  void forward() override {
    for (std::int64_t k = 0; k < active_; ++k) {
      const float *w = parameter(k, weight), *b = parameter(k, bias);
      for (std::int64_t i = 0; i < input_.batch(); ++i) {
        const float* x = at(input_.value, k, i);
        float* mean = mean_.data() + number(k, i);
        float* factor = factor_.data() + number(k, i);
        std::ranges::fill(sums_, 0.0);
        add_values(pixels(), x, sums_);
        groups([&](std::int64_t first, std::int64_t last) {
          double sum = 0;
          for (std::int64_t c = first; c < last; ++c) sum += sums_[c];
          std::fill(mean + first, mean + last, sum / values());
        });
        std::ranges::fill(sums_, 0.0);
        add_squares(pixels(), x, mean, sums_);
        groups([&](std::int64_t first, std::int64_t last) {
          double sum = 0;
          for (std::int64_t c = first; c < last; ++c) sum += sums_[c];
          std::fill(factor + first, factor + last, 1 / std::sqrt(sum / values() + norm_epsilon));
        });
        for (std::int64_t c = 0; c < channels(); ++c) a_[c] = w[c] * factor[c];
        scale_values(pixels(), channels(), x, mean, a_.data(), b, at(output_.value, k, i));
      }
    }
  }

  void backward(const GradientUse& use) override {
    for (std::int64_t k = 0; k < active_; ++k) {
      const float* w = parameter(k, weight);
      std::ranges::fill(weight_sums_, 0.0);
      std::ranges::fill(bias_sums_, 0.0);
      for (std::int64_t i = 0; i < input_.batch(); ++i) {
        const float *x = at(input_.value, k, i), *dy = at(output_.gradient, k, i);
        const float *mean = mean_.data() + number(k, i), *factor = factor_.data() + number(k, i);
        std::ranges::fill(sums_, 0.0);
        std::ranges::fill(products_, 0.0);
        add_gradients(pixels(), dy, x, mean, sums_, products_);
        for (std::int64_t c = 0; c < channels(); ++c) {
          weight_sums_[c] += products_[c] * factor[c];
          bias_sums_[c] += sums_[c];
        }
        if (!input_.gradient.defined()) continue;
        // r (w dy - mean(w dy) - x^ mean(w dy x^)) with r = 1 / deviation and x^ = (x - mean) r, means over the group.
        groups([&](std::int64_t first, std::int64_t last) {
          double sum = 0, product = 0;
          for (std::int64_t c = first; c < last; ++c) {
            sum += w[c] * sums_[c];
            product += w[c] * products_[c];
          }
          const double r = factor[first];
          for (std::int64_t c = first; c < last; ++c) a_[c] = w[c] * r;
          std::fill(b_.begin() + first, b_.begin() + last, -r * r * r * product / values());
          std::fill(c_.begin() + first, c_.begin() + last, -r * sum / values());
        });
        scale_gradients(pixels(), channels(), dy, x, mean, a_.data(), b_.data(), c_.data(), at(input_.gradient, k, i));
      }
      for (std::int64_t c = 0; c < channels(); ++c) {
        use.change(parameter(use.rows(rows_), k, weight)[c], weight_sums_[c]);
        use.change(parameter(use.rows(rows_), k, bias)[c], bias_sums_[c]);
      }
    }
  }

 private:
  std::int64_t channels() const { return input_.shape.channels; }
  std::int64_t pixels() const { return input_.shape.height * input_.shape.width; }
  double values() const { return width_ * pixels(); }  // in a group of one example
  std::int64_t number(std::int64_t k, std::int64_t example) const {
    return (k * input_.batch() + example) * channels();
  }
  float* at(const at::Tensor& t, std::int64_t k, std::int64_t example) const {
    return t.mutable_data_ptr<float>() + k * t.stride(0) + example * input_.shape.size();
  }
  float* parameter(const at::Tensor& of, std::int64_t k, Own which) const {
    return of.mutable_data_ptr<float>() + k * of.stride(0) + own_[which].offset;
  }
  float* parameter(std::int64_t k, Own which) const { return parameter(rows_.values, k, which); }
  void groups(const auto& visit) const {
    for (std::int64_t first = 0; first < channels(); first += width_) visit(first, first + width_);
  }

  Activation input_, output_;
  std::int64_t width_;  // channels of a group
  ParameterRows rows_;
  std::vector<Parameter> own_;
  std::int64_t active_;
  std::vector<float> mean_, factor_;  // [K, B, channels], equal within a group; 1 / standard deviation
  std::vector<double> sums_, products_, weight_sums_, bias_sums_;
  std::vector<float> a_, b_, c_;
};

class LibraryGroupNorm final : public StackedLayer {
 public:
  LibraryGroupNorm(const Activation& input, std::int64_t groups, const ParameterRows& rows,
                   std::span<const Parameter> own)
      : all_in_(input),
        all_out_(make_output(input, input.shape)),
        groups_(groups),
        rows_(rows),
        own_(own.begin(), own.end()) {
    LibraryGroupNorm::use(input.clients());
  }

  const Activation& output() const override { return all_out_; }
  void use(std::int64_t active) override {
    active_ = active;
    in_ = all_in_.first(active);
    out_ = all_out_.first(active);
  }

  void forward() override {
    const at::Tensor x = grouped(in_.value);
    const at::Tensor from_mean = x - x.mean({2, 4}, true);
    factor_ = (from_mean.square().mean({2, 4}, true) + norm_epsilon).rsqrt();
    normal_ = from_mean * factor_;
    grouped(out_.value).copy_(normal_ * parameter(rows_.values, weight) + parameter(rows_.values, bias));
  }

  void backward(const GradientUse& use) override {
    const at::Tensor dy = grouped(out_.gradient);
    const at::Tensor weight_gradient = (dy * normal_).sum({1, 2}, true), bias_gradient = dy.sum({1, 2}, true);
    if (in_.gradient.defined()) {
      const at::Tensor g = dy * parameter(rows_.values, weight);
      grouped(in_.gradient).copy_((g - g.mean({2, 4}, true) - normal_ * (g * normal_).mean({2, 4}, true)) * factor_);
    }
    use.change(parameter(use.rows(rows_), weight), weight_gradient);
    use.change(parameter(use.rows(rows_), bias), bias_gradient);
  }

 private:
  at::Tensor grouped(const at::Tensor& t) const {  // [A, B, pixels, groups, channels of a group]
    const Shape& s = in_.shape;
    return t.view({active_, in_.batch(), s.height * s.width, groups_, s.channels / groups_});
  }
  at::Tensor parameter(const at::Tensor& of, Own which) const {
    return view_parameter(of, own_[which]).narrow(0, 0, active_).unflatten(1, {1, 1, groups_, -1});
  }
  Activation all_in_, all_out_, in_, out_;
  std::int64_t groups_;
  ParameterRows rows_;
  std::vector<Parameter> own_;
  std::int64_t active_ = 0;
  at::Tensor factor_, normal_;
};

class GroupNorm final : public Layer {
 public:
  explicit GroupNorm(std::int64_t groups) : groups_(groups) { ensure(groups > 0, "group norm of {} groups", groups); }

  std::string_view kind() const override { return "norm"; }
  Shape output(const Shape& input) const override {
    if (input.channels % groups_ != 0) {
      user_error("{} channels cannot be divided into {} groups of equal size. Change 'groups'.", input.channels,
                 groups_);
    }
    return input;
  }
  std::vector<Parameter> parameters(const Shape& input) const override {
    return {{.name = "weight", .shape = {input.channels}}, {.name = "bias", .shape = {input.channels}}};
  }
  void initialize(std::span<float> values, const Shape& input, RandomStream&) const override {
    std::ranges::fill(values.first(input.channels), 1.0F);
  }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own, const StackForm& form) const override {
    if (form.arithmetic == StackForm::Arithmetic::library) {
      return std::make_unique<LibraryGroupNorm>(input, groups_, rows, own);
    }
    return std::make_unique<StackedGroupNorm>(input, groups_, rows, own);
  }

 private:
  std::int64_t groups_;
};

}  // namespace

std::shared_ptr<const Layer> group_norm(std::int64_t groups) { return std::make_shared<GroupNorm>(groups); }

}  // namespace shoal::layers
