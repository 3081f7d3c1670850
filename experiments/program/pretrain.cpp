#include "experiments/program/pretrain.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "experiments/program/run/progress.hpp"
#include "sim/files/replace_file.hpp"

namespace shoal {
namespace {

constexpr const char* rule_names[talk::rules] = {"plain", "longer", "warmer", "bolder", "shorter", "colder"};

std::string row(const char* prompt, const Fluency::PerRule& shares) {
  std::string text = fmt::format("  {:<24}", prompt);
  for (const double share : shares) text += fmt::format("{:>9.3f}", share);
  text += '\n';
  return text;
}

// Progress on a terminal: one line, rewritten at most ten times a second and erased at the end.
class ProgressLine {
 public:
  explicit ProgressLine(std::int64_t steps) : steps_(steps), shown_(isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\r{:60}\r", "");
  }
  void operator()(std::int64_t done) {
    const double now = steady_seconds();
    if (!shown_ || now - last_ < 0.1) return;
    last_ = now;
    const double left = (now - start_) / done * (steps_ - done);
    fmt::print(stderr, "\rstep {} of {}, {} left   ", done, steps_, duration_text(left));
  }

 private:
  std::int64_t steps_;
  bool shown_;
  double start_ = steady_seconds(), last_ = 0;
};

at::Tensor pretrain_with_progress(const Policy& policy, const at::Tensor& start, const Pretraining& options) {
  ProgressLine line(options.steps);
  return pretrain(policy, start, options, [&line](std::int64_t done) { line(done); });
}

std::string fluency_text(const Fluency& f) {
  std::string text =
      fmt::format("next-token loss          {:.3f} nats a token ({:.3f} for a unigram model)\n", f.loss, f.unigram);
  text += fmt::format("right answers            {:.1f} %\n", 100 * f.correct);
  text += "share that satisfies     ";
  for (const char* name : rule_names) text += fmt::format("{:>9}", name);
  text += '\n';
  text += row("without instruction", f.uninstructed);
  text += row("after a correction", f.corrected);
  text += row("with a hint", f.hinted);
  text +=
      fmt::format("hint gain                {:.2f} nats a reply (95 % interval {:.2f} to {:.2f}): {}\n", f.gain.mean,
                  f.gain.low, f.gain.high, f.gain.open() ? "hints can teach" : "no claim about hints can be made");
  return text;
}

Json per_rule(const Fluency::PerRule& shares) {
  Json json;
  for (std::size_t rule = 0; rule < shares.size(); ++rule) json[rule_names[rule]] = json_real(shares[rule]);
  return json;
}

}  // namespace

PretrainResult pretrain_transformer(const PretrainCommand& command) {
  const TransformerLayout layout(command.shape);
  const Pretraining& options = command.options;
  const bool trains = command.measured.empty();
  at::Tensor params;
  if (!command.out.empty()) {
    refuse_input_as_output(command.out, {command.measured});
    check_writable(command.out);
    if (std::filesystem::exists(command.out)) read_safetensors(command.out);  // a file of another kind is not replaced
  }
  if (trains) {
    params = layout.random_parameters(random_key(command.options.seed, "model/initial_parameters"));
  } else {
    params = transformer_parameters(command.shape, read_safetensors(command.measured), command.measured);
  }
  const std::unique_ptr<Policy> policy = transformer_policy(command.shape, params);
  PretrainResult result{.parameters = layout.parameters.size};
  if (trains) {
    const double start = steady_seconds();
    params = pretrain_with_progress(*policy, params, options);
    result.seconds = steady_seconds() - start;
  }
  result.fluency = fluency(*policy, params, options.seed);
  if (command.out.empty()) return result;
  const std::string made_by = trains ? fmt::format("shoal pretrain --seed {} --steps {} --batch {} --rate {}",
                                                   options.seed, options.steps, options.batch, options.rate)
                                     : command.measured;
  replace_file(command.out, transformer_file(command.shape, params, {{"made by", made_by}}));
  return result;
}

std::string pretrain_text(const PretrainCommand& command, const PretrainResult& result) {
  const TransformerShape& shape = command.shape;
  std::string text = fmt::format("transformer: width {}, {} layers, {} heads, {} parameters\n", shape.width,
                                 shape.layers, shape.heads, result.parameters);
  if (command.measured.empty()) {
    text += fmt::format("{} steps of {} lessons in {}\n", command.options.steps, command.options.batch,
                        duration_text(result.seconds));
  }
  text += fluency_text(result.fluency);
  return command.out.empty() ? text : text + command.out + "\n";
}

Json pretrain_json(const PretrainCommand& command, const PretrainResult& result) {
  const Fluency& f = result.fluency;
  return {{"file", command.out.empty() ? Json() : Json(command.out)},
          {"parameters", result.parameters},
          {"seconds", json_real(result.seconds)},
          {"loss", json_real(f.loss)},
          {"unigram_loss", json_real(f.unigram)},
          {"correct", json_real(f.correct)},
          {"uninstructed", per_rule(f.uninstructed)},
          {"corrected", per_rule(f.corrected)},
          {"hinted", per_rule(f.hinted)},
          {"hint_gain",
           {{"mean", json_real(f.gain.mean)}, {"low", json_real(f.gain.low)}, {"high", json_real(f.gain.high)}}}};
}

}  // namespace shoal
