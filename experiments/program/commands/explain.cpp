#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/explain.hpp"

namespace shoal {
namespace {

CommandAction declare_explain(CLI::App& app, const Arguments&) {
  const auto part = std::make_shared<std::string>();
  app.add_option("PART", *part, "name of a part, as 'shoal list' prints it")->required();
  return action<std::string>(app, part, [](const std::string& name) -> Answer {
    return {.text = explain(name), .json = {{"entries", explain_json(name)}}};
  });
}

}  // namespace

Command explain_command() {
  return {"explain", "Explain a part: what it does, its source, its settings",
          "  shoal explain fed_prox\n  shoal explain local", declare_explain};
}

}  // namespace shoal
