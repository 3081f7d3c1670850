#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "experiments/program/check.hpp"
#include "experiments/program/commands/all.hpp"
#include "experiments/program/exit_codes.hpp"

namespace shoal {
namespace {

struct CheckOptions {
  std::vector<std::string> files;
};

std::string text_of(const FileCheck& check) {
  std::string text =
      fmt::format("{}  {}  {}\n", check.findings.empty() ? "whole    " : "DIFFERENT", check.hash, check.file);
  for (const std::string& finding : check.findings) text += fmt::format("  {}\n", finding);
  if (!check.sealed) text += "  without a seal: another program has written or changed this file\n";
  if (check.unfinished > 0) text += fmt::format("  {} of {} cells are unfinished\n", check.unfinished, check.cells);
  return text;
}

Json json_of(const FileCheck& check) {
  const bool was_read = check.problem.empty();
  return {{"file", check.file},
          {"hash", was_read ? Json(check.hash) : Json()},
          {"whole", was_read && check.findings.empty()},
          {"sealed", check.sealed},
          {"unfinished", check.unfinished},
          {"findings", check.findings},
          {"error", was_read ? Json() : Json(check.problem)}};
}

Answer check(const CheckOptions& options) {
  Answer answer{.json = {{"files", Json::array()}}};
  for (const FileCheck& check : check_files(options.files)) {
    if (check.problem.empty()) {
      answer.text += text_of(check);
    } else {
      complain(check.problem);
    }
    answer.json["files"].push_back(json_of(check));
    answer.code = std::max(answer.code, check.code);
  }
  return answer;
}

CommandAction declare_check(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<CheckOptions>();
  app.add_option("RUN.h5", options->files, "run files")->required();
  return action(app, options, check);
}

}  // namespace

Command check_command() {
  return {"check", "Compare run files' hashes and totals with their rows and models, without training",
          "  shoal check results/*.h5\n  a hash is no signature: a consistent forgery passes, and fails 'shoal verify'",
          declare_check};
}

}  // namespace shoal
