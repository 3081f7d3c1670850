#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <span>

#include "experiments/program/commands/all.hpp"
#include "experiments/program/new_experiment.hpp"
#include "sim/error.hpp"
#include "sim/files/replace_file.hpp"

namespace shoal {
namespace {

struct NewOptions {
  std::string file, task = "supervised";
  bool all = false;
};

Answer write_new(const NewOptions& options) {
  const std::filesystem::path path(options.file);
  const std::string name = options.file.empty() ? "experiment" : path.stem().string();
  const std::string text = new_experiment(options.task, name, options.all);
  if (options.file.empty()) return {.text = text, .json = {{"file", nullptr}, {"experiment", text}}};
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
    user_error("{}: exists, and is not replaced. Choose another name.", options.file);
  }
  check_writable(options.file);
  replace_file(options.file, std::as_bytes(std::span(text)));
  return {.text = fmt::format("{}\nrun it: shoal run {}\n", options.file, options.file),
          .json = {{"file", options.file}, {"experiment", text}}};
}

CommandAction declare_new(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<NewOptions>();
  app.add_option("FILE", options->file, "experiment to write (TOML); default: it is printed");
  app.add_option("--task", options->task, "task that is learned, as 'shoal list' prints it (default supervised)");
  app.add_flag("--all", options->all, "add every other setting, as a comment with its default");
  return action(app, options, write_new);
}

}  // namespace

Command new_command() {
  return {"new", "Write a commented experiment to start from",
          "  shoal new prox.toml\n  shoal new --task agents users.toml\n  shoal new --all | less", declare_new};
}

}  // namespace shoal
