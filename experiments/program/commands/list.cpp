#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/explain.hpp"

namespace shoal {
namespace {

CommandAction declare_list(CLI::App& app, const Arguments&) {
  const auto markdown = std::make_shared<bool>(false);
  app.add_flag("--markdown", *markdown, "print a Markdown page with a table for each kind");
  return action<bool>(app, markdown, [](const bool& page) -> Answer {
    return {.text = page ? parts_page() : list_parts(), .json = {{"parts", parts_json()}}};
  });
}

}  // namespace

Command list_command() {
  return {"list", "List all parts by kind", "  shoal list\n  shoal list --markdown > experiments/parts.md",
          declare_list};
}

}  // namespace shoal
