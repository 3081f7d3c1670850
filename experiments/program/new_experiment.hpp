#pragma once
// `shoal new`: an experiment to start from, with a comment on every setting.

#include <string>

namespace shoal {

/// A small experiment with this task that runs as it is: TOML, each setting with its meaning. `with_all`: the other
/// settings that it reads follow, as comments with their defaults. UserError when there is no such task.
std::string new_experiment(const std::string& task, const std::string& name, bool with_all);

}  // namespace shoal
