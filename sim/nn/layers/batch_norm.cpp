// Batch normalization (Ioffe and Szegedy 2015, arXiv 1502.03167).
#include "sim/nn/layers/batch_norm.hpp"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "sim/nn/layers/normalization.hpp"

namespace shoal::layers {
namespace {

constexpr double momentum = 0.1;  // share of the batch in the running values
enum Own : std::size_t { weight, bias, running_mean, running_var };

std::int64_t pixels_of(const Shape& shape) { return shape.height * shape.width; }

class StackedBatchNorm final : public StackedLayer {
 public:
  StackedBatchNorm(const Activation& input, const ParameterRows& rows, std::span<const Parameter> own)
      : input_(input),
        output_(make_output(input, input.shape)),
        rows_(rows),
        own_(own.begin(), own.end()),
        active_(input.clients()),
        clients_(input.clients(), Client(input.shape.channels)),
        sums_(input.shape.channels),
        products_(input.shape.channels),
        a_(input.shape.channels),
        b_(input.shape.channels),
        c_(input.shape.channels) {}

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }

  void forward() override {
    for (std::int64_t k = 0; k < active_; ++k) {
      measure(k);
      normalize(k);
    }
  }

  void evaluate() override {
    for (std::int64_t k = 0; k < active_; ++k) {
      Client& client = clients_[k];
      const float *mean = parameter(k, running_mean), *var = parameter(k, running_var);
      for (std::int64_t c = 0; c < channels(); ++c) {
        client.mean[c] = mean[c];
        client.factor[c] = 1 / std::sqrt(var[c] + norm_epsilon);
      }
      normalize(k);
    }
  }

  void backward(const GradientUse& use) override {
    for (std::int64_t k = 0; k < active_; ++k) {
      Client& client = clients_[k];
      std::ranges::fill(sums_, 0.0);
      std::ranges::fill(products_, 0.0);
      examples(k, [&](std::int64_t at, bool counts) {
        if (counts) add_gradients(pixels(), dy(k) + at, x(k) + at, client.mean.data(), sums_, products_);
      });
      if (input_.gradient.defined()) give_back(k);
      for (std::int64_t c = 0; c < channels(); ++c) {
        use.change(parameter(use.rows(rows_), k, weight)[c], products_[c] * client.factor[c]);
        use.change(parameter(use.rows(rows_), k, bias)[c], sums_[c]);
      }
    }
  }

 private:
  struct Client {
    explicit Client(std::int64_t channels) : mean(channels), factor(channels) {}
    std::vector<float> mean, factor;  // 1 / standard deviation
    std::int64_t values = 0;          // per channel, of the examples that take part
  };

  std::int64_t channels() const { return input_.shape.channels; }
  std::int64_t pixels() const { return pixels_of(input_.shape); }
  const float* x(std::int64_t k) const { return input_.value.const_data_ptr<float>() + k * input_.value.stride(0); }
  const float* dy(std::int64_t k) const {
    return output_.gradient.const_data_ptr<float>() + k * output_.gradient.stride(0);
  }
  float* parameter(const at::Tensor& of, std::int64_t k, Own which) const {
    return of.mutable_data_ptr<float>() + k * of.stride(0) + own_[which].offset;
  }
  float* parameter(std::int64_t k, Own which) const { return parameter(rows_.values, k, which); }

  // Calls visit(offset of the example in the client's values, whether it takes part).
  void examples(std::int64_t k, const auto& visit) const {
    const float* weights = input_.weights.const_data_ptr<float>() + k * input_.batch();
    for (std::int64_t b = 0; b < input_.batch(); ++b) visit(b * input_.shape.size(), weights[b] != 0);
  }

  // Mean and deviation of the batch, and its part in the running values.
  void measure(std::int64_t k) {
    Client& client = clients_[k];
    client.values = 0;
    std::ranges::fill(sums_, 0.0);
    std::ranges::fill(products_, 0.0);
    examples(k, [&](std::int64_t at, bool counts) {
      if (!counts) return;
      client.values += pixels();
      add_values(pixels(), x(k) + at, sums_);
    });
    const double n = std::max<std::int64_t>(client.values, 1);
    for (std::int64_t c = 0; c < channels(); ++c) client.mean[c] = sums_[c] / n;
    examples(k, [&](std::int64_t at, bool counts) {
      if (counts) add_squares(pixels(), x(k) + at, client.mean.data(), products_);
    });
    float *mean = parameter(k, running_mean), *var = parameter(k, running_var);
    for (std::int64_t c = 0; c < channels(); ++c) {
      client.factor[c] = 1 / std::sqrt(products_[c] / n + norm_epsilon);
      if (client.values == 0) continue;
      mean[c] = (1 - momentum) * mean[c] + momentum * client.mean[c];
      var[c] = (1 - momentum) * var[c] + momentum * products_[c] / std::max(n - 1, 1.0);
    }
  }

  void normalize(std::int64_t k) {
    const Client& client = clients_[k];
    const float* w = parameter(k, weight);
    for (std::int64_t c = 0; c < channels(); ++c) a_[c] = w[c] * client.factor[c];
    scale_values(input_.batch() * pixels(), channels(), x(k), client.mean.data(), a_.data(), parameter(k, bias),
                 output_.value.mutable_data_ptr<float>() + k * output_.value.stride(0));
  }

  // The input's gradient: w r (dy - mean(dy) - x^ mean(dy x^)) with r = 1 / deviation and x^ = (x - mean) r.
  void give_back(std::int64_t k) {
    const Client& client = clients_[k];
    const double n = std::max<std::int64_t>(client.values, 1);
    const float* w = parameter(k, weight);
    for (std::int64_t c = 0; c < channels(); ++c) {
      const double r = client.factor[c];
      a_[c] = w[c] * r;
      b_[c] = -w[c] * r * r * r * products_[c] / n;
      c_[c] = -w[c] * r * sums_[c] / n;
    }
    float* dx = input_.gradient.mutable_data_ptr<float>() + k * input_.gradient.stride(0);
    examples(k, [&](std::int64_t at, bool counts) {
      if (counts) {
        scale_gradients(pixels(), channels(), dy(k) + at, x(k) + at, client.mean.data(), a_.data(), b_.data(),
                        c_.data(), dx + at);
      } else {
        std::fill_n(dx + at, input_.shape.size(), 0.0F);
      }
    });
  }

  Activation input_, output_;
  ParameterRows rows_;
  std::vector<Parameter> own_;
  std::int64_t active_;
  std::vector<Client> clients_;
  std::vector<double> sums_, products_;
  std::vector<float> a_, b_, c_;
};

class LibraryBatchNorm final : public StackedLayer {
 public:
  LibraryBatchNorm(const Activation& input, const ParameterRows& rows, std::span<const Parameter> own)
      : all_in_(input), all_out_(make_output(input, input.shape)), rows_(rows), own_(own.begin(), own.end()) {
    LibraryBatchNorm::use(input.clients());
  }

  const Activation& output() const override { return all_out_; }
  void use(std::int64_t active) override {
    active_ = active;
    in_ = all_in_.first(active);
    out_ = all_out_.first(active);
  }

  void forward() override {
    const at::Tensor counts = in_.weights.ne(0).to(at::kFloat).view({active_, in_.batch(), 1, 1});
    const at::Tensor found = counts.sum({1, 2}, true) * pixels_of(in_.shape);
    n_ = found.clamp_min(1);
    mean_ = (pixels(in_.value) * counts).sum({1, 2}, true) / n_;
    const at::Tensor squares = ((pixels(in_.value) - mean_) * counts).square().sum({1, 2}, true);
    factor_ = (squares / n_ + norm_epsilon).rsqrt();
    const at::Tensor share = found.ne(0).to(at::kFloat) * momentum;
    at::Tensor mean = parameter(rows_.values, running_mean), var = parameter(rows_.values, running_var);
    mean.add_((mean_ - mean) * share);
    var.add_((squares / (n_ - 1).clamp_min(1) - var) * share);
    counts_ = counts;
    normalize();
  }

  void evaluate() override {
    mean_ = parameter(rows_.values, running_mean);
    factor_ = (parameter(rows_.values, running_var) + norm_epsilon).rsqrt();
    normalize();
  }

  void backward(const GradientUse& use) override {
    const at::Tensor dy = pixels(out_.gradient) * counts_, normal = (pixels(in_.value) - mean_) * factor_;
    const at::Tensor sums = dy.sum({1, 2}, true), products = (dy * normal).sum({1, 2}, true);
    if (in_.gradient.defined()) {
      pixels(in_.gradient)
          .copy_((dy - (sums + normal * products) / n_) * counts_ * (factor_ * parameter(rows_.values, weight)));
    }
    use.change(parameter(use.rows(rows_), weight), products);
    use.change(parameter(use.rows(rows_), bias), sums);
  }

 private:
  at::Tensor pixels(const at::Tensor& t) const {
    return t.view({active_, in_.batch(), pixels_of(in_.shape), in_.shape.channels});
  }
  at::Tensor parameter(const at::Tensor& of, Own which) const {
    return view_parameter(of, own_[which]).narrow(0, 0, active_).unsqueeze(1).unsqueeze(1);
  }
  void normalize() {
    pixels(out_.value)
        .copy_((pixels(in_.value) - mean_) * (factor_ * parameter(rows_.values, weight)) +
               parameter(rows_.values, bias));
  }
  Activation all_in_, all_out_, in_, out_;
  ParameterRows rows_;
  std::vector<Parameter> own_;
  std::int64_t active_ = 0;
  at::Tensor n_, mean_, factor_, counts_;
};

class BatchNorm final : public Layer {
 public:
  std::string_view kind() const override { return "norm"; }
  Shape output(const Shape& input) const override { return input; }
  std::vector<Parameter> parameters(const Shape& input) const override {
    return {{.name = "weight", .shape = {input.channels}},
            {.name = "bias", .shape = {input.channels}},
            {.name = "running_mean", .shape = {input.channels}, .role = Role::buffer},
            {.name = "running_var", .shape = {input.channels}, .role = Role::buffer}};
  }
  void initialize(std::span<float> values, const Shape& input, RandomStream&) const override {
    std::ranges::fill(values.first(input.channels), 1.0F);
    std::ranges::fill(values.last(input.channels), 1.0F);
  }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own, const StackForm& form) const override {
    if (form.arithmetic == StackForm::Arithmetic::library) {
      return std::make_unique<LibraryBatchNorm>(input, rows, own);
    }
    return std::make_unique<StackedBatchNorm>(input, rows, own);
  }
};

}  // namespace

std::shared_ptr<const Layer> batch_norm() { return std::make_shared<BatchNorm>(); }

}  // namespace shoal::layers
