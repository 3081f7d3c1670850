#pragma once
// The commands of the program `shoal`: their names, options and what they do.

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace shoal {

/// One command. To add one, write a function like those in commands.cpp and a line in the table below them.
struct Command {
  const char *name, *about, *examples;  // the texts of --help
  /// Adds the options of the command to `app`. Call the result after parsing: it runs the command and returns the exit
  /// code. `arguments` are those of this process, without its name.
  std::function<int()> (*declare)(CLI::App& app, const std::vector<std::string>& arguments);
};

/// All commands, in the order of --help.
std::span<const Command> commands();

}  // namespace shoal
