#pragma once
// From the settings of a cell to the process that it runs.

#include <memory>

#include "experiments/tasks/task_kind.hpp"

namespace shoal {

/// Makes the process that `settings` describes and checks that its parts fit together. Every key must have been read at
/// the end: an unknown one is a UserError.
std::unique_ptr<Process> compose(const Settings& settings, const Place& place);

/// The share of the participations with a row in the table of clients ([record] participations).
double recorded_share(const Settings& settings);

/// The same on the device that the settings choose. `choose_block` settles the block of clients if [local]
/// leaves it open.
std::unique_ptr<Process> compose(const Settings& settings, Datasets& datasets,
                                 const ChooseBlock& choose_block = built_in_choice);

}  // namespace shoal
