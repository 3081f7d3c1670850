#include "sim/nn/transformer/transformer_layout.hpp"

#include <ATen/ops/empty.h>

#include <cmath>

#include "sim/error.hpp"

namespace shoal {

TransformerLayout::TransformerLayout(const TransformerShape& of) : shape(of) {
  if (of.heads < 1 || of.width % of.heads != 0) {
    user_error("{} heads do not divide a width of {}. Use 1, 2 or 4 heads.", of.heads, of.width);
  }
  ensure(of.layers >= 1 && of.ratio >= 1 && of.vocabulary >= 1 && of.context >= 1, "an empty transformer");
  constexpr double most = 1e8;
  const double width = of.width;
  const double count =
      width * (2.0 * of.vocabulary + of.context + 1) + of.layers * (2 * width + (4 + 2.0 * of.ratio) * width * width);
  if (count > most) {
    user_error("a transformer of {:.3g} parameters (at most {:.0e} are possible). Lower its width.", count, most);
  }
  // The tensor names are part of the format of weight files: never rename them.
  const auto add = [this](std::string name, std::vector<std::int64_t> sides) {
    const std::int64_t at = parameters.size;
    parameters.add(std::move(name), std::move(sides));
    return at;
  };
  token_embedding = add("words", {of.vocabulary, of.width});
  position_embedding = add("positions", {of.context, of.width});
  for (int i = 1; i <= of.layers; ++i) {
    const std::string name = fmt::format("layer{}.", i);
    Layer layer{};
    layer.attention_norm = add(name + "attention.norm", {of.width});
    layer.qkv = add(name + "attention.in", {3 * of.width, of.width});
    layer.attention_out = add(name + "attention.out", {of.width, of.width});
    layer.mlp_norm = add(name + "mlp.norm", {of.width});
    layer.mlp_in = add(name + "mlp.in", {of.hidden(), of.width});
    layer.mlp_out = add(name + "mlp.out", {of.width, of.hidden()});
    layers.push_back(layer);
  }
  final_norm = add("norm", {of.width});
  head = add("head", {of.vocabulary, of.width});
}

at::Tensor TransformerLayout::random_parameters(RandomKey key) const {
  at::Tensor all = at::empty({parameters.size}, at::kFloat);
  float* values = all.mutable_data_ptr<float>();
  const double into_stream = 1 / std::sqrt(2.0 * std::max(shape.layers, 1));
  std::int64_t number = 0;
  for (const Parameter& p : parameters.parameters) {
    RandomStream random(key, number++);
    double deviation = p.shape.size() == 2 ? 1 / std::sqrt(p.shape[1]) : 0;
    if (p.name.ends_with(".out")) deviation *= into_stream;
    if (p.offset == head) deviation = 0.02;
    for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
      values[i] = deviation == 0 ? 1 : deviation * random.normal();
    }
  }
  return all;
}

double TransformerLayout::flops_per_token(double before) const {
  const double width = shape.width;
  const double layer = 2 * (4 + 2.0 * shape.ratio) * width * width + 4 * (before + 1) * width;
  return shape.layers * layer + 2 * width * shape.vocabulary;
}

}  // namespace shoal
