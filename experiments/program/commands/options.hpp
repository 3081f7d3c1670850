#pragma once
// Options that several commands share, and how a command's function becomes its action.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "experiments/program/commands.hpp"
#include "experiments/program/json.hpp"
#include "experiments/program/run/run_command.hpp"

namespace shoal {

using Arguments = std::vector<std::string>;

/// The answer of a command, for people and for programs; one of them is printed.
struct Answer {
  std::string text;
  Json json = Json::object();  // the entries after "command", the first key of every object
  int code = 0;                // exit code
};

std::string name_of(const CLI::App& app);

/// --json; the result says whether it was given, once the arguments have been parsed.
std::shared_ptr<bool> add_json_option(CLI::App& app);

/// Prints the answer of `body` on stdout, or its error as a line on stderr and, with `as_json`, as an object on stdout
/// too. Returns the exit code.
int respond(const std::string& command, bool as_json, const std::function<Answer()>& body);

/// The action of most commands. Options live as long as the action that reads them: parsing fills them after `declare`
/// has returned.
template <class Options>
CommandAction action(CLI::App& app, std::shared_ptr<Options> options, Answer (*body)(const Options&)) {
  return [command = name_of(app), json = add_json_option(app), options, body] {
    return respond(command, *json, [&] { return body(*options); });
  };
}

/// Refuses all but finite numbers from `least` on: "nan is no time in seconds".
CLI::Validator finite_number(const char* what, double least);

/// FILE and --set.
void add_experiment_options(CLI::App& app, RunCommand& command);
/// --ranks, --threads and --ranks-per-cell.
void add_rank_options(CLI::App& app, RunCommand& command);
/// --blocks.
void add_table_option(CLI::App& app, std::string& blocks);

}  // namespace shoal
