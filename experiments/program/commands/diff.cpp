#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/run_diff.hpp"

namespace shoal {
namespace {

Answer diff(const std::array<std::string, 2>& files) {
  const RunDiff found = diff_runs(files, {read_run(files[0]), read_run(files[1])});
  return {.text = diff_text(found), .json = diff_json(found), .code = found.same() ? 0 : other_error_code};
}

CommandAction declare_diff(CLI::App& app, const Arguments&) {
  const auto files = std::make_shared<std::array<std::string, 2>>();
  app.add_option("A.h5", files->at(0), "run file, of a finished or an interrupted run")->required();
  app.add_option("B.h5", files->at(1), "run file to compare it with")->required();
  return action(app, files, diff);
}

}  // namespace

Command diff_command() {
  return {"diff", "Say where two runs differ: settings, provenance, results, and the first row that is not the same",
          "  shoal diff results/a.h5 results/b.h5    exit code 1: the results differ", declare_diff};
}

}  // namespace shoal
