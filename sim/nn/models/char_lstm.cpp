// An embedding, LSTM layers and a dense layer, which predict the next token: the character model of McMahan and others,
// 2017 (arXiv 1602.05629), with the sizes of Reddi and others, 2021 (arXiv 2003.00295). 822,570 parameters for 90
// tokens: their 820,522 and the second bias that LibTorch gives each gate.
//
// It predicts a token after each token where targets are tokens, and a label after the sequence where they are labels.
#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/lstm.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "sim/nn/autograd.hpp"
#include "sim/nn/model.hpp"

namespace shoal::models {
namespace {

struct Sizes {
  std::int64_t embedding, hidden, layers;
};

class Lstm final : public TensorModel {
 public:
  Lstm(const Form& form, const Sizes& sizes) : form_(form), sizes_(sizes) {}

  // Names and shapes of PyTorch; the four gates are rows of one matrix.
  std::vector<Parameter> parameters() const override {
    const std::int64_t gates = 4 * sizes_.hidden;
    std::vector<Parameter> all{{.name = "embedding.weight", .shape = {form_.vocabulary, sizes_.embedding}}};
    for (std::int64_t layer = 0; layer < sizes_.layers; ++layer) {
      const std::int64_t inputs = layer == 0 ? sizes_.embedding : sizes_.hidden;
      all.push_back({.name = fmt::format("lstm.weight_ih_l{}", layer), .shape = {gates, inputs}});
      all.push_back({.name = fmt::format("lstm.weight_hh_l{}", layer), .shape = {gates, sizes_.hidden}});
      all.push_back({.name = fmt::format("lstm.bias_ih_l{}", layer), .shape = {gates}});
      all.push_back({.name = fmt::format("lstm.bias_hh_l{}", layer), .shape = {gates}});
    }
    all.push_back({.name = "dense.weight", .shape = {score_count(form_), sizes_.hidden}});
    all.push_back({.name = "dense.bias", .shape = {score_count(form_)}});
    return all;
  }

  // PyTorch's defaults: standard normal rows of tokens, everything else uniform in +-1 / sqrt(hidden).
  void initialize(const Parameter& parameter, std::span<float> values, RandomStream& random) const override {
    if (parameter.name == "embedding.weight") {
      for (float& value : values) value = random.normal();
    } else {
      draw_uniform(values, sizes_.hidden, random);
    }
  }

  double forward_flops() const override {
    const double hidden = sizes_.hidden;
    double token = 0;
    for (std::int64_t layer = 0; layer < sizes_.layers; ++layer) {
      token += 2 * 4 * hidden * ((layer == 0 ? sizes_.embedding : sizes_.hidden) + hidden);
    }
    const double prediction = 2 * hidden * score_count(form_);
    return form_.targets == Form::Targets::tokens ? token + prediction : form_.longest * token + prediction;
  }

  Outputs forward(std::span<const at::Tensor> p, const Gathered& batch, Pass) const override {
    const at::Tensor rows = at::embedding(p[0], batch.features);  // [b, t, embedding]
    const at::Tensor start = at::zeros({sizes_.layers, rows.size(0), sizes_.hidden}, rows.options());
    const auto gates = p.subspan(1, 4 * sizes_.layers);
    const at::Tensor states =
        std::get<0>(at::lstm(rows, {start, start}, at::TensorList(gates.data(), gates.size()), /*has_biases=*/true,
                             sizes_.layers, /*dropout=*/0, /*train=*/false, /*bidirectional=*/false,
                             /*batch_first=*/true));  // [b, t, hidden]
    const at::Tensor features = form_.targets == Form::Targets::tokens ? states : last(states, batch.mask);
    return {.scores = at::linear(features, p[p.size() - 2], p.back()),
            .features = form_.targets == Form::Targets::tokens ? at::Tensor() : features};
  }

 private:
  // The state after the last token of each sequence.
  static at::Tensor last(const at::Tensor& states, const at::Tensor& mask) {
    if (!mask.defined()) return states.select(1, states.size(1) - 1);
    const at::Tensor place = mask.sum(1).to(at::kLong).sub(1).clamp_min(0);
    return states.gather(1, place.view({-1, 1, 1}).expand({-1, 1, states.size(2)})).squeeze(1);
  }

  Form form_;
  Sizes sizes_;
};

class CharLstm final : public Model {
 public:
  explicit CharLstm(const Settings& settings)
      : sizes_{.embedding = settings.integer("embedding", 8, "values for each token", between(1, 65536)),
               .hidden = settings.integer("hidden", 256, "units of each LSTM layer", between(1, 65536)),
               .layers = settings.integer("layers", 2, "LSTM layers", between(1, 64))} {}

  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    if (form.features != Form::Features::tokens || form.targets == Form::Targets::reals) {
      user_error("model char_lstm for data without tokens. Choose a data set of sequences or another model.");
    }
    return autograd(form, std::make_shared<Lstm>(form, sizes_), device);
  }

 private:
  Sizes sizes_;
};

}  // namespace

std::unique_ptr<Model> char_lstm(Settings& settings) { return std::make_unique<CharLstm>(settings); }

}  // namespace shoal::models
