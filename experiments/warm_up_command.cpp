#include "experiments/warm_up_command.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include "sim/record/progress.hpp"
#include "sim/record/replace_file.hpp"

namespace shoal {
namespace {

constexpr const char* rule_names[talk::rules] = {"plain", "longer", "warmer", "bolder", "shorter", "colder"};

std::string row(const char* what, const std::array<double, talk::rules>& shares) {
  std::string text = fmt::format("  {:<24}", what);
  for (const double share : shares) text += fmt::format("{:>9.3f}", share);
  text += '\n';
  return text;
}

// On a terminal one line, ten times a second at most.
class Line {
 public:
  explicit Line(std::int64_t steps) : steps_(steps), shown_(isatty(STDERR_FILENO) != 0) {}
  ~Line() {
    if (shown_) fmt::print(stderr, "\r{:60}\r", "");
  }
  void operator()(std::int64_t done) {
    const double now = steady_seconds();
    if (!shown_ || now - last_ < 0.1) return;
    last_ = now;
    const double left = (now - start_) / static_cast<double>(done) * static_cast<double>(steps_ - done);
    fmt::print(stderr, "\rstep {} of {}, {} left   ", done, steps_, duration_text(left));
  }

 private:
  std::int64_t steps_;
  bool shown_;
  double start_ = steady_seconds(), last_ = 0;
};

}  // namespace

std::string fluency_text(const Fluency& f) {
  std::string text = fmt::format(
      "next-word loss           {:.3f} nats a word ({:.3f} with frequencies of words alone)\n", f.loss, f.baseline);
  text += fmt::format("right answers            {:.1f} %\n", 100 * f.correct);
  text += fmt::format("share that satisfies     ");
  for (const char* name : rule_names) text += fmt::format("{:>9}", name);
  text += '\n';
  text += row("without instruction", f.plain);
  text += row("after a correction", f.told);
  text += row("with a hint", f.hinted);
  text +=
      fmt::format("hint gain                {:.2f} nats a reply (95 % interval {:.2f} to {:.2f}): {}\n", f.gain.mean,
                  f.gain.low, f.gain.high, f.gain.open() ? "hints can teach" : "no claim about hints can be made");
  return text;
}

void warm_up_transformer(const WarmUpCommand& command) {
  const TransformerLayout layout(command.shape);
  at::Tensor params;
  if (command.measured.empty()) {
    if (!command.out.empty()) check_writable(command.out);
    params = layout.random_parameters(random_key(command.options.seed, "model/initial_parameters"));
  } else {
    params = transformer_parameters(command.shape, read_safetensors(command.measured), command.measured);
  }
  const std::unique_ptr<Policy> policy = transformer_policy(command.shape, params);
  fmt::print("transformer: width {}, {} layers, {} heads, {} parameters\n", command.shape.width, command.shape.layers,
             command.shape.heads, layout.parameters.size);
  if (command.measured.empty()) {
    const double start = steady_seconds();
    {
      Line line(command.options.steps);
      params = warm_up(*policy, params, command.options, [&line](std::int64_t done) { line(done); });
    }
    fmt::print("{} steps of {} lessons in {}\n", command.options.steps, command.options.batch,
               duration_text(steady_seconds() - start));
  }
  fmt::print("{}", fluency_text(fluency(*policy, params, command.options.seed)));
  if (command.out.empty()) return;
  std::string made_by = command.measured;
  if (made_by.empty()) {
    made_by = fmt::format("shoal warm-up --seed {} --steps {} --batch {} --rate {}", command.options.seed,
                          command.options.steps, command.options.batch, command.options.rate);
  }
  replace_file(command.out, transformer_file(command.shape, params, {{"made by", made_by}}));
  fmt::print("{}\n", command.out);
}

}  // namespace shoal
