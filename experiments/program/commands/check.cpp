#include "experiments/program/check.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/commands/options.hpp"

namespace shoal {
namespace {

CommandAction declare_check(CLI::App& app, const Arguments&) {
  const auto files = std::make_shared<std::vector<std::string>>();
  app.add_option("RUN.h5", *files, "run files")->required();
  return [files] { return check_files(*files); };
}

}  // namespace

Command check_command() {
  return {"check", "Compare run files' hashes and totals with their rows and models, without training",
          "  shoal check results/*.h5\n  a hash is no signature: a consistent forgery passes, and fails 'shoal verify'",
          declare_check};
}

}  // namespace shoal
