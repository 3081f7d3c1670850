#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/pretrain.hpp"

namespace shoal {
namespace {

CommandAction declare_pretrain(CLI::App& app, const Arguments&) {
  const auto command = std::make_shared<PretrainCommand>();
  Pretraining& options = command->options;
  app.add_option("--out", command->out, "file to write (safetensors)");
  app.add_option("--measure", command->measured, "evaluate the weights of this file instead of training");
  app.add_option("--seed", options.seed,
                 fmt::format("seed of the initial weights and the lessons (default {})", options.seed));
  app.add_option("--steps", options.steps, fmt::format("steps of Adam (default {})", options.steps))
      ->check(CLI::Range(0, 10'000'000));
  app.add_option("--batch", options.batch, fmt::format("lessons per step (default {})", options.batch))
      ->check(CLI::Range(1, 100'000));
  app.add_option("--rate", options.rate, fmt::format("peak learning rate (default {})", options.rate))
      ->check(finite_number("learning rate", 1e-12));
  TransformerShape& shape = command->shape;
  app.add_option("--width", shape.width, fmt::format("width of the residual stream (default {})", shape.width))
      ->check(CLI::Range(1, 4096));
  app.add_option("--layers", shape.layers, fmt::format("layers (default {})", shape.layers))->check(CLI::Range(1, 64));
  app.add_option("--heads", shape.heads,
                 fmt::format("attention heads; must divide the width (default {})", shape.heads))
      ->check(CLI::Range(1, 64));
  return action<PretrainCommand>(app, command, [](const PretrainCommand& given) -> Answer {
    const PretrainResult result = pretrain_transformer(given);
    return {.text = pretrain_text(given, result), .json = pretrain_json(given, result)};
  });
}

}  // namespace

Command pretrain_command() {
  return {"pretrain", "Pretrain a transformer on the agents' small language, so that it follows rules in its context",
          "  shoal pretrain --out talk.safetensors\n"
          "  shoal pretrain --width 128 --layers 3 --out larger.safetensors\n"
          "  shoal pretrain --measure talk.safetensors\n"
          "  then, in an experiment: policy = {name = \"transformer\", weights = \"talk.safetensors\"}",
          declare_pretrain};
}

}  // namespace shoal
