#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "experiments/program/commands/all.hpp"
#include "experiments/report/report.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

struct ReportOptions {
  std::vector<std::string> files;
  std::string out;
};

Answer write_report(const ReportOptions& options) {
  for (const std::string& file : options.files) {
    std::error_code missing;  // a file that is not there is no other one's name
    if (!std::filesystem::equivalent(file, options.out, missing)) continue;
    user_error("--out {}: is one of the run files. Choose another name for the page.", options.out);
  }
  check_writable(options.out);
  std::vector<ReportedRun> runs;
  for (const std::string& file : options.files) runs.push_back({file, read_run(file)});
  const std::string page = report_page(runs);
  replace_file(options.out, std::as_bytes(std::span(page)));
  return {.text = options.out + "\n", .json = {{"page", options.out}}};
}

CommandAction declare_report(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<ReportOptions>();
  app.add_option("RUN.h5", options->files, "run files; for an interrupted run, the journals beside it are read too")
      ->required();
  app.add_option("--out", options->out, "page to write (HTML)")->required();
  return action(app, options, write_report);
}

}  // namespace

Command report_command() {
  return {"report", "Write runs as one HTML page: tables, curves, configurations, provenance",
          "  shoal report results/quickstart.h5 --out quickstart.html", declare_report};
}

}  // namespace shoal
