#pragma once
// `shoal completion`: scripts by which shells complete the command line.

#include <string>

namespace CLI {
class App;
}

namespace shoal {

/// The script for "bash" or "zsh", made from the options that `app` and its subcommands declare. UserError for another
/// shell.
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace shoal
