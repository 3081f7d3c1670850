#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/completion.hpp"

namespace shoal {
namespace {

CommandAction declare_completion(CLI::App& app, const Arguments&) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash or zsh")->required();
  // The other commands are declared by the time this is called.
  return [&app, shell, json = add_json_option(app)] {
    return respond("completion", *json, [&]() -> Answer {
      const std::string script = completion_script(*app.get_parent(), *shell);
      return {.text = script, .json = {{"script", script}}};
    });
  };
}

}  // namespace

Command completion_command() {
  return {"completion", "Print a script by which bash or zsh completes shoal's command line",
          "  source <(shoal completion bash)    in ~/.bashrc\n  source <(shoal completion zsh)     in ~/.zshrc",
          declare_completion};
}

}  // namespace shoal
