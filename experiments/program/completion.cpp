#include "experiments/program/completion.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <set>

#include "experiments/program/vocabulary.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  return command.get_options([](const CLI::Option* option) { return !option->get_lnames().empty(); });
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Names that `explain` knows; none has a space.
std::string explained_names() {
  std::set<std::string> names;
  for (const Entry& entry : vocabulary()) names.insert(entry.name);
  return joined(names);
}

// The kind of words that a command takes, by the names of its positional arguments.
enum class Words { none, experiments, runs, names, commands };

Words words_of(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    const std::string name = option->get_name(true);
    if (name == "FILE") return Words::experiments;
    if (name == "RUN.h5" || name == "A.h5") return Words::runs;
    if (name == "PART") return Words::names;
    if (name == "COMMAND") return Words::commands;
  }
  return Words::none;
}

std::string bash_script(const CLI::App& app) {
  std::set<std::string> names;
  std::string cases;
  for (const CLI::App* command : commands_of(app)) names.insert(command->get_name());
  for (const CLI::App* command : commands_of(app)) {
    std::set<std::string> options;
    for (const CLI::Option* option : options_of(*command)) options.insert("--" + option->get_lnames().front());
    const char* words = "";
    switch (words_of(*command)) {
      case Words::none:
        words = "files='*'";
        break;
      case Words::experiments:
        words = "files='*.toml'";
        break;
      case Words::runs:
        words = "files='*.h5'";
        break;
      case Words::names:
        words = "words=$names";
        break;
      case Words::commands:
        words = "words=$commands";
        break;
    }
    cases += fmt::format("    {}) options='{}' {} ;;\n", command->get_name(), joined(options), words);
  }
  return fmt::format(
      "# Completion of shoal for bash: source <(shoal completion bash)\n"
      "_shoal() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} options='' words='' "
      "files=''\n"
      "  local commands='{}' names='{}'\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- \"$current\")\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n"
      "{}"
      "  esac\n"
      "  if [[ $current == -* ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
      "  elif [[ $words && $previous != -* ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "  else\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    [[ $previous == -* ]] && files='*'\n"
      "    mapfile -t COMPREPLY < <(compgen -f -X \"!$files\" -- \"$current\"; compgen -d -- \"$current\")\n"
      "  fi\n"
      "}}\n"
      "complete -F _shoal shoal\n",
      joined(names), explained_names(), cases);
}

// Inside single quotes and the brackets of _arguments.
std::string zsh_text(const std::string& text) {
  std::string escaped;
  for (const char c : text.substr(0, text.find('\n'))) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c == '\'' ? '"' : c;
  }
  return escaped;
}

std::string zsh_script(const CLI::App& app) {
  std::string commands, cases;
  for (const CLI::App* command : commands_of(app)) {
    commands += fmt::format("    '{}:{}'\n", command->get_name(), zsh_text(command->get_description()));
    std::string arguments;
    for (const CLI::Option* option : options_of(*command)) {
      const bool takes_value = option->get_items_expected_max() > 0;
      arguments += fmt::format(" \\\n        '--{}[{}]{}'", option->get_lnames().front(),
                               zsh_text(option->get_description()), takes_value ? ":value:_files" : "");
    }
    std::string words;
    switch (words_of(*command)) {
      case Words::none:
        words = "_files";
        break;
      case Words::experiments:
        words = "_files -g \"*.toml\"";
        break;
      case Words::runs:
        words = "_files -g \"*.h5\"";
        break;
      case Words::names:
        words = fmt::format("({})", explained_names());
        break;
      case Words::commands:
        words = "(${commands%%:*})";
        break;
    }
    cases += fmt::format(
        "    {})\n      _arguments{} \\\n        \"*:word:{}\" ;;\n", command->get_name(), arguments,
        words.starts_with("_files -g") ? fmt::format("_files -g '{}'", words.substr(11, words.size() - 12)) : words);
  }
  return fmt::format(
      "#compdef shoal\n"
      "# Completion of shoal for zsh: source <(shoal completion zsh)\n"
      "_shoal() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words; (( CURRENT-- ))\n"
      "  case $command in\n{}"
      "  esac\n"
      "}}\n"
      "compdef _shoal shoal\n",
      commands, cases);
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash_script(app);
  if (shell == "zsh") return zsh_script(app);
  user_error("there is no completion for the shell '{}'. Use bash or zsh.", shell);
}

}  // namespace shoal
