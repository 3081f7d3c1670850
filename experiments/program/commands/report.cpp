#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/python.hpp"

namespace shoal {
namespace {

struct ReportOptions {
  std::vector<std::string> files;
  std::string out;
  bool json = false;
};

void write_report(const ReportOptions& options) {
  std::vector<std::string> arguments = options.files;
  arguments.insert(arguments.end(), {"--out", options.out});
  if (options.json) arguments.emplace_back("--json");
  become_python("shoal.report", arguments);
}

CommandAction declare_report(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<ReportOptions>();
  app.add_option("RUN.h5", options->files, "run files; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--out", options->out, "page to write (HTML)")->required();
  app.add_flag("--json", options->json, "print one JSON object instead of text");
  return [options] {
    const Failure failure = caught([&] { write_report(*options); });  // returns only if Python cannot be started
    complain(failure.problem);
    if (options->json) print_json_error("report", failure.problem, failure.code);
    return failure.code;
  };
}

}  // namespace

Command report_command() {
  return {"report", "Write runs as one HTML page: tables, charts, configurations, provenance",
          "  shoal report results/quickstart.h5 --out quickstart.html", declare_report};
}

}  // namespace shoal
