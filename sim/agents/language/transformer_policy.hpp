#pragma once
// A transformer as a policy over the small language.

#include <memory>
#include <string>

#include "sim/agents/policy.hpp"
#include "sim/files/safetensors.hpp"
#include "sim/nn/transformer/transformer_layout.hpp"

namespace shoal {

/// Number of replies generated together: keys and values stay in a core's cache, and matrix products have enough rows.
inline constexpr std::size_t replies_together = 32;
/// Number of tokens scored together: as many as keep their intermediate values in a core's cache.
inline constexpr std::int64_t tokens_together = 512;

/// The shape of the weights that come with the program: the small language's vocabulary and context.
TransformerShape talking_shape();

/// Starts from `start` [d]; undefined: from random_parameters({}) of the layout.
std::unique_ptr<Policy> transformer_policy(const TransformerShape& shape, const at::Tensor& start,
                                           std::string digest = {});

/// The bytes of a file with the parameters [d] as named tensors; the number of heads is added to the metadata.
std::vector<std::byte> transformer_file(const TransformerShape& shape, const at::Tensor& params,
                                        TensorMetadata metadata);
/// The parameters [d] in a file. UserError, naming `origin`, where the file has another shape or is no transformer.
at::Tensor transformer_parameters(const TransformerShape& shape, const SafeTensors& file, const std::string& origin);

}  // namespace shoal
