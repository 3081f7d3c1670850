#pragma once
// `shoal pretrain`: trains a transformer on the small language and writes it as safetensors.

#include <string>

#include "sim/agents/language/pretraining.hpp"
#include "sim/agents/language/transformer_policy.hpp"

namespace shoal {

struct PretrainCommand {
  Pretraining options;
  TransformerShape shape = talking_shape();
  std::string out;       // file to write the weights to; empty: none
  std::string measured;  // file whose weights are evaluated instead of training some; empty: none
};

/// Trains, or reads `measured`; prints the evaluation and writes `out`.
void pretrain_transformer(const PretrainCommand& command);

/// The evaluation as text for a terminal.
std::string fluency_text(const Fluency& fluency);

}  // namespace shoal
