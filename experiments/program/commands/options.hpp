#pragma once
// Options that several commands share, and how a command's function becomes its action.

#include <memory>
#include <string>
#include <vector>

#include "experiments/program/commands.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/run/run_command.hpp"

namespace shoal {

using Arguments = std::vector<std::string>;

/// Options live as long as the action that reads them: parsing fills them after `declare` has returned.
template <class Options>
CommandAction action(std::shared_ptr<Options> options, void (*body)(const Options&)) {
  return [options, body] { return guarded("", [&] { body(*options); }); };
}

/// FILE and --set.
void add_experiment_options(CLI::App& app, RunCommand& command);
/// --ranks, --threads and --ranks-per-cell.
void add_rank_options(CLI::App& app, RunCommand& command);
/// --blocks.
void add_table_option(CLI::App& app, std::string& blocks);

}  // namespace shoal
