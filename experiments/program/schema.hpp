#pragma once
// `shoal schema`: JSON Schema (draft 2020-12) of experiment files, for editors, and of what the commands print.

#include <string>

#include "experiments/program/json.hpp"

namespace shoal {

/// The schema of experiment files, made from what parts and tasks read. A key that is read only beside others, which
/// the defaults do not have, is not in it.
Json experiment_schema();

/// The schema of the object that a command prints with --json. UserError when there is no such command.
Json output_schema(const std::string& command);

}  // namespace shoal
