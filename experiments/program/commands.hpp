#pragma once
// The commands of the program `shoal`: their names, options and what they do.

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace shoal {

/// Runs a command whose options have been parsed; returns the exit code.
using CommandAction = std::function<int()>;

/// One command. To add one, write a file in commands/ like the others there, and a line in commands/all.hpp and in the
/// table of commands.cpp.
struct Command {
  const char *name, *about, *examples;  // the texts of --help
  /// Adds the options of the command to `app`. Call the result after parsing. `arguments` are those of this process,
  /// without its name.
  CommandAction (*declare)(CLI::App& app, const std::vector<std::string>& arguments);
};

/// All commands, in the order of --help.
std::span<const Command> commands();

}  // namespace shoal
