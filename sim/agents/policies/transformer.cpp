// A small transformer over the small language (0.1 million parameters as shipped), pretrained to answer and to follow
// rules in its context: that is what makes hints worth something (`shoal pretrain` measures how much). Decoder-only,
// pre-norm, after Radford et al. 2019.

#include "sim/agents/transformer_policy.hpp"
#include "sim/digest.hpp"

namespace shoal::policies {

std::unique_ptr<Policy> transformer(Settings& s) {
  const TransformerShape shipped = talking_shape();
  TransformerShape shape = shipped;
  const auto read = [&](const char* key, int fallback, const char* meaning, double most) -> int {
    return s.integer(key, fallback, meaning, between(1, most));
  };
  shape.width = read("width", shape.width, "width of the residual stream; that of the weights' file", 4096);
  shape.layers = read("layers", shape.layers, "number of layers; that of the weights' file", 64);
  shape.heads = read("heads", shape.heads, "number of attention heads; that of the weights' file", 64);
  const std::string path = s.text(
      "weights", "", "safetensors file that 'shoal pretrain' wrote; empty: the weights that come with the program");
  if (path.empty() && !(shape == shipped)) {
    user_error(
        "{}: the weights that come with the program have width {}, {} layers and {} heads. Make others with 'shoal "
        "pretrain' and name them in 'weights'?",
        s.where(), shipped.width, shipped.layers, shipped.heads);
  }
  const std::string origin = path.empty() ? "the weights that come with the program" : path;
  const SafeTensors file = path.empty() ? parse_safetensors(shipped_weights(), origin) : read_safetensors(path);
  const at::Tensor params = transformer_parameters(shape, file, origin);
  return transformer_policy(shape, params,
                            sha256(std::as_bytes(std::span(params.const_data_ptr<float>(), params.numel()))));
}

}  // namespace shoal::policies
