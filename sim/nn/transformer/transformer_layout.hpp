#pragma once
// The parameters of a decoder-only transformer in one flat vector.
//
// Each layer: x += attention(norm(x)), x += mlp(norm(x)); pre-norm, after Radford et al. 2019 (GPT-2), with the norm of
// Zhang and Sennrich 2019 (arXiv 1910.07467: divided by the root of the mean square, times a gain), ReLU, learned
// position embeddings, an output head that is not tied to the token embedding, and no biases.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "sim/nn/layout.hpp"
#include "sim/random.hpp"

namespace shoal {

struct TransformerShape {
  int vocabulary = 64;
  int context = 96;  // tokens, at most
  int width = 64;
  int layers = 2;
  int heads = 4;  // must divide the width
  int ratio = 4;  // hidden units of the MLP over the width

  int head_width() const { return width / heads; }
  int hidden() const { return ratio * width; }
  bool operator==(const TransformerShape&) const = default;
};

struct TransformerLayout {
  /// UserError where heads do not divide the width or there would be more than 10^8 parameters.
  explicit TransformerLayout(const TransformerShape& shape);

  /// Offsets of one layer's gains and matrices, each [out, in]. `qkv` gives queries, keys and values: [3 width, width].
  struct Layer {
    std::int64_t attention_norm, qkv, attention_out, mlp_norm, mlp_in, mlp_out;
  };
  TransformerShape shape;
  ParameterLayout parameters;
  std::int64_t token_embedding, position_embedding, final_norm, head;
  std::vector<Layer> layers;

  /// [d], float32: matrices normal with standard deviation 1 / sqrt(inputs), those that write into the residual stream
  /// smaller by sqrt(2 layers); a head of deviation 0.02, so that all tokens start nearly equally probable; gains of 1.
  at::Tensor random_parameters(RandomKey key) const;
  /// Floating-point operations of the forward pass of one token with `before` tokens before it.
  double flops_per_token(double before) const;
};

}  // namespace shoal
