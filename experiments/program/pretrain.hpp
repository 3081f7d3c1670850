#pragma once
// `shoal pretrain`: trains a transformer on the small language and writes it as safetensors.

#include <string>

#include "experiments/program/json.hpp"
#include "sim/agents/language/pretraining.hpp"
#include "sim/agents/language/transformer_policy.hpp"

namespace shoal {

struct PretrainCommand {
  Pretraining options;
  TransformerShape shape = talking_shape();
  std::string out;       // file to write the weights to; empty: none
  std::string measured;  // file whose weights are evaluated instead of training some; empty: none
};

struct PretrainResult {
  std::int64_t parameters = 0;
  double seconds = 0;  // duration of training
  Fluency fluency;
};

/// Trains, or reads `measured`; evaluates and writes `out`. Progress goes to stderr if that is a terminal.
PretrainResult pretrain_transformer(const PretrainCommand& command);

/// The result as text for a terminal, and as JSON.
std::string pretrain_text(const PretrainCommand& command, const PretrainResult& result);
Json pretrain_json(const PretrainCommand& command, const PretrainResult& result);

}  // namespace shoal
